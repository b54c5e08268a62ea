"""Conversion of any source of faces to a training set: verified, deduplicated, sharded, with held-out identities.

>>> from seesaw_keras.data.preparation.prepare import Settings, prepare_faces
>>> settings = Settings(min_images=3, holdout_identities=1000)
>>> manifest = prepare_faces("faces_emore", "prepared", settings)  # doctest: +SKIP
>>> manifest["sets"]["holdout"]["identities"]  # doctest: +SKIP
1000

The folder `prepared` then contains `train` and `holdout`, each a source for `open_source`, with `identities.csv` (new
label, name or label in the input, images); `left_out.csv`, every excluded image and identity with the reason; and
`manifest.json`. Images keep their bytes and their order. An interrupted run resumes and writes the same bytes.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras._version import __version__
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.formats.recordio import write_recordio
from seesaw_keras.data.formats.tfrecord import shard_name, write_shard
from seesaw_keras.data.preparation.near import Exclusion, best_matches, mean_embeddings, open_people
from seesaw_keras.data.preparation.run_folder import LEFT_OUT, LeftOut, RunFolder, write_table
from seesaw_keras.data.preparation.scan import UNREADABLE, Progress, Selected, describe, parts, scan
from seesaw_keras.data.preparation.selection import (
    Assignment,
    mark_duplicates,
    mark_few_images,
    mark_holdout,
    mark_identities,
    renumbered,
)
from seesaw_keras.data.preparation.validation_sets import write_validation_sets
from seesaw_keras.data.preparation.workers import Workers
from seesaw_keras.data.records import Record, Source
from seesaw_keras.data.sources import open_source
from seesaw_keras.files import sha256_of

__all__ = ["FORMATS", "Settings", "prepare_faces"]

FORMATS = ("tfrecord", "rec")
IDENTITIES = "identities.csv"

_SETS = {"train": Assignment.TRAIN, "holdout": Assignment.HOLDOUT}
_REC_FILES = ("train.rec", "train.idx", "property")


@dataclass(frozen=True)
class Settings:
    """Settings that determine the bytes of a prepared set.

    Attributes:
        format: "tfrecord", shards `faces-00000-of-00010.tfrecord`, or "rec", InsightFace's `train.rec` with `train.idx`
            and `property`.
        images_per_shard: images per TFRecord shard; the last shard may have fewer.
        min_images: identities with fewer images, not counting undecodable ones and duplicates, are left out.
        holdout_identities: number of identities in `holdout` instead of `train`; with `min_images` of 2 or more
            each of them has a genuine pair.
        holdout_pairs: number of genuine pairs, and also of impostor pairs, of held-out identities in the verification
            sets in `holdout` (see `validation_sets`); 0 for no sets.
        seed: seed of the choice of identities and pairs.

    Raises:
        ValueError: if a setting is out of range.
    """

    format: str = "tfrecord"
    images_per_shard: int = 4096
    min_images: int = 1
    holdout_identities: int = 0
    holdout_pairs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        lowest = {"images_per_shard": 1, "min_images": 1, "holdout_identities": 0, "holdout_pairs": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.holdout_pairs and not self.holdout_identities:
            raise ValueError("holdout_pairs requires holdout_identities")


@dataclass
class _Plan:
    """Assignment of every record.

    Attributes:
        source: the records.
        rows: SCANNED (n,).
        labels: int64 (n,), UNREADABLE for unreadable records.
        assignments: int64 (n,).
        firsts: int64 (n,), the position of the first identical image.
        near: maps labels to the cosine and name of the most similar person of the test set.
    """

    source: Source
    rows: npt.NDArray[np.void]
    labels: npt.NDArray[np.int64]
    assignments: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]
    near: dict[int, tuple[float, str]]

    def identity(self, label: int) -> str:
        """Returns an identity's name if it has one, else its label in the input; an empty string for UNREADABLE."""
        if label == UNREADABLE:
            return ""
        names = getattr(self.source, "identities", None)
        return names[label] if isinstance(names, list) else str(label)

    def identities(self, assignment: Assignment) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns the labels of identities with images of this assignment, and the number of such images of each."""
        labels, counts = np.unique(self.labels[self.assignments == assignment], return_counts=True)
        return labels, counts


def prepare_faces(
    path: str | Path,
    output: str | Path,
    settings: Settings = Settings(),
    *,
    exclusion: Exclusion | None = None,
    processes: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Prepares a training set, resumes an interrupted preparation, or verifies a finished one.

    Undecodable images are left out, and all but the first of identical images (same bytes), even under different
    identities. Identities are renumbered from 0, in their order. Processes are spawned: in a script, call this below
    `if __name__ == "__main__":`.

    Args:
        path: the input, in any format that `open_source` opens.
        output: the output folder: new, empty, or of the same run.
        settings: selection and output format.
        exclusion: test set whose identities to exclude.
        processes: number of processes that read, decode and write; one per processor if None. Does not affect the
            output bytes.
        progress: called with the name of a stage, the number of items done and the total.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: if the input does not exist.
        ValueError: if the input is damaged as a whole, changes during the run or has nothing left to train on, if
            `output` holds other files, or if the embedder does not fit the images.
        OSError: if the disk is full, or a process was killed.
    """
    source = open_source(path)
    people = open_people(exclusion.path) if exclusion else None
    run: dict[str, Any] = {
        "seesaw_keras": __version__,
        "input": fingerprint(getattr(source, "path", path)),
        "settings": asdict(settings),
        "exclude_near": exclusion
        and {
            "set": fingerprint(getattr(people, "path", exclusion.path)),
            "embedder": exclusion.embedder.describe(),
            "cosine": exclusion.cosine,
        },
    }
    folder = RunFolder(output, path, run)
    if folder.manifest:
        return folder.manifest
    with Workers(source, processes) as workers:
        rows = scan(workers, len(source), folder.progress, progress)
        plan = _plan(source, rows, settings)
        if exclusion and people:
            _exclude(plan, people, exclusion, folder.progress, progress)
        if settings.holdout_identities:
            mark_holdout(plan.assignments, plan.labels, plan.firsts, settings.holdout_identities, settings.seed)
        files = _write_sets(plan, folder.path, settings, workers, progress)
        if settings.holdout_pairs:
            files |= _write_validation_sets(plan, folder.path, settings)
        write_table(folder.path / LEFT_OUT, LeftOut._fields, _left_out(plan, workers, settings))
    files[LEFT_OUT] = sha256_of(folder.path / LEFT_OUT)
    return folder.finish(_facts(plan), files)


def _plan(source: Source, rows: npt.NDArray[np.void], settings: Settings) -> _Plan:
    """Marks undecodable images, duplicates and identities with too few images."""
    assignments = np.where(rows["decodes"], Assignment.TRAIN, Assignment.UNDECODABLE).astype(np.int64)
    labels = rows["label"].astype(np.int64)
    plan = _Plan(source, rows, labels, assignments, mark_duplicates(assignments, rows["sha256"]), {})
    mark_few_images(assignments, labels, settings.min_images)
    return _checked(plan)


def _checked(plan: _Plan) -> _Plan:
    if not (plan.assignments == Assignment.TRAIN).any():
        counts = ", ".join(f"{count} {reason}" for reason, count in _left_out_counts(plan).items())
        raise ValueError(f"no images are left to train on: {counts}")
    return plan


def _exclude(plan: _Plan, people: Source, exclusion: Exclusion, folder: Path, progress: Progress) -> None:
    """Excludes identities similar to one of `people`, and records the cosine and the person in `plan.near`."""
    _, their_labels = renumbered(people.labels())
    theirs = mean_embeddings(
        people,
        np.arange(len(people)),
        their_labels,
        exclusion.embedder,
        folder / "theirs",
        lambda done, total: progress("embed identities to exclude", done, total),
    )
    positions = np.flatnonzero(plan.assignments == Assignment.TRAIN)
    of_identity, labels = renumbered(plan.labels[positions])
    ours = mean_embeddings(
        plan.source,
        positions,
        labels,
        exclusion.embedder,
        folder / "ours",
        lambda done, total: progress("embed identities", done, total),
    )
    cosines, which = best_matches(ours, theirs)
    for index in np.flatnonzero(cosines >= exclusion.cosine).tolist():
        example = int(np.argmax(their_labels == which[index]))
        plan.near[int(of_identity[index])] = (float(cosines[index]), people[example].name)
    mark_identities(plan.assignments, plan.labels, np.array(list(plan.near), np.int64), Assignment.NEAR)
    _checked(plan)


class _CountingSource(Source):
    """A source that counts the records read from it."""

    def __init__(self, source: Source, on_read: Callable[[int], None]) -> None:
        self._source, self._on_read, self._read = source, on_read, 0

    def __len__(self) -> int:
        return len(self._source)

    def _record(self, position: int) -> Record:
        self._read += 1
        self._on_read(min(self._read, len(self)))
        return self._source[position]

    def labels(self) -> npt.NDArray[np.int64]:
        return self._source.labels()


def _write_part(source: Source, path: Path, *selected: npt.NDArray[Any]) -> str:
    if not path.exists():
        write_shard(path, Selected(source, *selected))
    return sha256_of(path)


def _write_sets(plan: _Plan, folder: Path, settings: Settings, workers: Workers, progress: Progress) -> dict[str, str]:
    """Writes the sets' missing files; returns the SHA-256 of each file by its path relative to `folder`."""
    files = {}
    tasks: list[tuple[Any, ...]] = []
    for name, assignment in _SETS.items():
        positions = np.flatnonzero(plan.assignments == assignment)
        if not len(positions):
            continue
        old, labels = renumbered(plan.labels[positions])
        digests = plan.rows["sha256"][positions]
        table = folder / name / IDENTITIES
        counts = np.bincount(labels).tolist()
        names = [plan.identity(label) for label in old.tolist()]
        write_table(table, ("label", "identity", "images"), zip(range(len(old)), names, counts, strict=True))
        files[f"{name}/{IDENTITIES}"] = sha256_of(table)
        if settings.format == "rec":
            chosen = Selected(plan.source, positions, labels, digests)
            files |= _write_rec(chosen, folder, name, progress)
            continue
        ranges = parts(len(positions), settings.images_per_shard)
        for shard, (start, stop) in enumerate(ranges):
            path = folder / name / shard_name(shard, len(ranges))
            tasks.append((path, positions[start:stop], labels[start:stop], digests[start:stop]))
    done, total = 0, sum(len(task[1]) for task in tasks)
    for index, digest in workers.run(_write_part, tasks):
        path, positions, *_ = tasks[index]
        files[path.relative_to(folder).as_posix()] = digest
        done += len(positions)
        progress("write", done, total)
    return files


def _write_rec(chosen: Source, folder: Path, name: str, progress: Progress) -> dict[str, str]:
    # `write_recordio` writes `property` last.
    if not (folder / name / "property").exists():
        counted = _CountingSource(chosen, lambda done: progress(f"write {name}", done, len(chosen)))
        write_recordio(folder / name / "train.rec", counted)
    return {f"{name}/{file}": sha256_of(folder / name / file) for file in _REC_FILES}


def _write_validation_sets(plan: _Plan, folder: Path, settings: Settings) -> dict[str, str]:
    positions = np.flatnonzero(plan.assignments == Assignment.HOLDOUT)
    _, labels = renumbered(plan.labels[positions])
    chosen = Selected(plan.source, positions, labels, plan.rows["sha256"][positions])
    made = write_validation_sets(chosen, folder / "holdout", pairs=settings.holdout_pairs, seed=settings.seed)
    return {f"holdout/{name}": digest for name, digest in made.items()}


def _left_out(plan: _Plan, workers: Workers, settings: Settings) -> Iterator[LeftOut]:
    """Yields what is in neither set: images in order, then identities in order."""
    undecodable = np.flatnonzero(plan.assignments == Assignment.UNDECODABLE).tolist()
    duplicates = np.flatnonzero(plan.assignments == Assignment.DUPLICATE).tolist()
    for position, (name, problem) in zip(undecodable, describe(workers, undecodable), strict=True):
        if not problem:
            raise ValueError(f"{name}: changed while the set was prepared; start again with an empty folder")
        yield LeftOut("undecodable", position, name, plan.identity(int(plan.labels[position])), problem)
    firsts = plan.firsts[duplicates].tolist()
    named = list(describe(workers, [*duplicates, *firsts]))
    for position, first, (name, _), (first_name, _) in zip(
        duplicates, firsts, named[: len(firsts)], named[len(firsts) :], strict=True
    ):
        owner, first_owner = (plan.identity(int(plan.labels[at])) for at in (position, first))
        detail = f"equal to {first_name} of identity {first_owner}"
        yield LeftOut("duplicate", position, name, owner, detail)
    for label, count in zip(*(array.tolist() for array in plan.identities(Assignment.FEW_IMAGES)), strict=True):
        yield LeftOut("few images", "", "", plan.identity(label), f"{count} images, fewer than {settings.min_images}")
    for label in sorted(plan.near):
        cosine, name = plan.near[label]
        yield LeftOut("near", "", "", plan.identity(label), f"cosine {cosine:.3f} to the identity of {name}")


def _left_out_counts(plan: _Plan) -> dict[str, int]:
    """Returns the number of images left out, by reason."""
    return {
        assignment.name.lower(): int((plan.assignments == assignment).sum())
        for assignment in Assignment
        if assignment not in _SETS.values()
    }


def _facts(plan: _Plan) -> dict[str, Any]:
    """Returns the manifest's description of the contents."""
    contents = hashlib.sha256(plan.rows["label"].tobytes() + plan.rows["sha256"].tobytes())
    sets = {}
    for name, assignment in _SETS.items():
        if len(identities := plan.identities(assignment)[0]):
            sets[name] = {"images": int((plan.assignments == assignment).sum()), "identities": len(identities)}
    return {
        "found": {
            "images": len(plan.assignments),
            "identities": len(np.unique(plan.labels[plan.labels != UNREADABLE])),
            "sha256_of_labels_and_images": contents.hexdigest(),
        },
        "left_out": _left_out_counts(plan),
        "sets": sets,
    }
