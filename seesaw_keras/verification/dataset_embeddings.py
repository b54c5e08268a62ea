"""Computes the embeddings of a whole data set in several processes, stored in shards; can be interrupted and resumed.

>>> from seesaw_keras.verification.dataset_embeddings import EmbeddingSettings, embed_dataset
>>> manifest = embed_dataset("faces_emore", "embeddings", EmbeddingSettings("phone.tflite"))  # doctest: +SKIP
>>> manifest["images"], manifest["shards"][0]  # doctest: +SKIP
(5822653, {'file': 'embeddings-00000-of-01422.npy', 'first': 0, 'count': 4096})

The output folder contains the shards `embeddings-00000-of-01422.npy` and so on, float32 (count, d) network outputs in
data set order; `index.csv`, one line per image with shard, row, label, identity, name and any problem; and
`manifest.json`, the model, data and settings, with the SHA-256 of every file. Images that cannot be decoded have a row
of NaN.
"""

import csv
import functools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seesaw_keras._version import __version__
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.preparation.run_folder import RunFolder
from seesaw_keras.data.preparation.scan import UNREADABLE, Progress, parts
from seesaw_keras.data.preparation.workers import Workers
from seesaw_keras.data.records import Source
from seesaw_keras.data.sources import open_source
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.inference.embedders import Embedder, load_embedder

__all__ = ["INDEX", "EmbeddingSettings", "embed_dataset"]

INDEX = "index.csv"
COLUMNS = ("shard", "row", "label", "identity", "name", "problem")
IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class EmbeddingSettings:
    """Settings that determine the embeddings.

    Attributes:
        model: model for `load_embedder`.
        preprocess: see `load_embedder`.
        runtime: see `load_embedder`.
        images_per_shard: number of images per shard; the last shard may have fewer.

    Raises:
        ValueError: if `images_per_shard` is below 1.
    """

    model: str
    preprocess: str | None = None
    runtime: str = "xnnpack"
    images_per_shard: int = 4096

    def __post_init__(self) -> None:
        if self.images_per_shard < 1:
            raise ValueError(f"images_per_shard must be 1 or more, got {self.images_per_shard}")


def embed_dataset(
    path: str | Path,
    output: str | Path,
    settings: EmbeddingSettings,
    *,
    processes: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Embeds aligned faces, resumes an interrupted run, or verifies a finished one.

    Processes are spawned: in a script, call this under `if __name__ == "__main__":`.

    Args:
        path: data set for `open_source`.
        output: output folder: new, empty, or from the same run.
        settings: model and settings.
        processes: number of worker processes; None for one per processor. The output does not depend on it.
        progress: called with the stage, the number of completed images and the total.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: if the data set or model does not exist.
        ImportError: if the runtime is not installed.
        ValueError: if the data set is unreadable or empty, an image size is not supported by the model, or `output`
            contains something else.
        OSError: if the disk is full or a process was killed.
    """
    source = open_source(path)
    if not len(source):
        raise ValueError(f"{path}: contains no images")
    embedder = _embedder(settings)
    run = {
        "seesaw_keras": __version__,
        "input": fingerprint(getattr(source, "path", path)),
        "embedder": embedder.describe(),
        "images_per_shard": settings.images_per_shard,
    }
    folder = RunFolder(output, path, run)
    if folder.manifest:
        return folder.manifest
    ranges = parts(len(source), settings.images_per_shard)
    shards = [folder.path / f"embeddings-{number:05d}-of-{len(ranges):05d}.npy" for number in range(len(ranges))]
    tables = [folder.progress / f"{shard.stem}.csv" for shard in shards]
    todo = [number for number, shard in enumerate(shards) if not shard.exists()]
    done = len(source) - sum(stop - start for start, stop in (ranges[number] for number in todo))
    progress("compute embeddings", done, len(source))
    with Workers(source, processes) as workers:
        tasks = [(settings, shards[number], tables[number], *ranges[number]) for number in todo]
        for task, _ in workers.run(_embed_part, tasks):
            start, stop = ranges[todo[task]]
            done += stop - start
            progress("compute embeddings", done, len(source))
    problems = _merge(tables, folder.path / INDEX)
    facts = {
        "images": len(source),
        "without_embedding": problems,
        "embedding_size": int(np.load(shards[0], mmap_mode="r").shape[1]),
        "dtype": "float32",
        "shards": [
            {"file": shard.name, "first": start, "count": stop - start}
            for shard, (start, stop) in zip(shards, ranges, strict=True)
        ],
    }
    return folder.finish(facts, {file.name: sha256_of(file) for file in (*shards, folder.path / INDEX)})


@functools.cache
def _embedder(settings: EmbeddingSettings) -> Embedder:
    """Loads the model, once per process."""
    return load_embedder(settings.model, preprocess=settings.preprocess, runtime=settings.runtime)


class _DecodedRecord(NamedTuple):
    """A decoded record; if it cannot be read or decoded, `image` is None and `problem` is the reason."""

    row: int
    label: int
    name: str
    image: npt.NDArray[np.uint8] | None
    problem: str


def _decode_records(source: Source, start: int, stop: int) -> Iterator[_DecodedRecord]:
    for row, position in enumerate(range(start, stop)):
        label, name = UNREADABLE, ""
        try:
            record = source[position]
            label, name = record.label, record.name
            image = decode_image(record.image, name=name)
        except ValueError as error:
            yield _DecodedRecord(row, label, name, None, str(error))
        else:
            yield _DecodedRecord(row, label, name, image, "")


def _embed_part(source: Source, settings: EmbeddingSettings, shard: Path, table: Path, start: int, stop: int) -> None:
    """Writes one shard, after its table, so that every existing shard has a table."""
    embedder = _embedder(settings)
    rows = np.full((stop - start, embedder.embedding_size), np.nan, np.float32)
    identities = getattr(source, "identities", None)
    with replacing(table) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        records = _decode_records(source, start, stop)
        while batch := list(islice(records, IMAGES_AT_ONCE)):
            images = {record.row: record.image for record in batch if record.image is not None}
            if images:
                names = [record.name for record in batch if record.image is not None]
                rows[list(images)] = embedder.embed_named(list(images.values()), names)
            for row, label, name, _, problem in batch:
                identity = identities[label] if isinstance(identities, list) and label != UNREADABLE else label
                lines.writerow((shard.name, row, label, identity, name, problem))
    with replacing(shard) as beside, beside.open("wb") as file_of_rows:
        np.save(file_of_rows, rows)


def _merge(tables: list[Path], index: Path) -> int:
    """Concatenates the tables of all shards; returns the number of images without an embedding."""
    problems = 0
    with replacing(index) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(COLUMNS)
        for table in tables:
            with table.open(encoding="utf-8", newline="") as part:
                problems += sum(bool(line[-1]) for line in csv.reader(part))
                part.seek(0)
                shutil.copyfileobj(part, file)
    return problems
