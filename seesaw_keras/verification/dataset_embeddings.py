"""The embeddings of a whole data set, by several processes, in shards; goes on where it was stopped.

>>> from seesaw_keras.verification.dataset_embeddings import Recipe, embed_dataset
>>> manifest = embed_dataset("faces_emore", "embeddings", Recipe("phone.tflite"))  # doctest: +SKIP
>>> manifest["images"], manifest["shards"][0]  # doctest: +SKIP
(5822653, {'file': 'embeddings-00000-of-01422.npy', 'first': 0, 'count': 4096})

`embeddings` then holds `embeddings-00000-of-01422.npy` and its like, float32 (count, d) as the network puts them out,
in the data set's order; `index.csv`, a line an image with shard, row, label, identity, name and what is wrong with it;
and `manifest.json`, what made them of what, with the SHA-256 of every file. An image that does not decode has a row of
NaN.
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

__all__ = ["INDEX", "Recipe", "embed_dataset"]

INDEX = "index.csv"
COLUMNS = ("shard", "row", "label", "identity", "name", "problem")
IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Recipe:
    """What decides on the embeddings.

    Attributes:
        model: what `load_embedder` loads.
        preprocess: see there.
        runtime: see there.
        images_per_shard: the last shard may have fewer.

    Raises:
        ValueError: if a shard would have no image.
    """

    model: str
    preprocess: str | None = None
    runtime: str = "xnnpack"
    images_per_shard: int = 4096

    def __post_init__(self) -> None:
        if self.images_per_shard < 1:
            raise ValueError(f"images_per_shard is {self.images_per_shard}, wants 1 or more")


def embed_dataset(
    path: str | Path,
    output: str | Path,
    recipe: Recipe,
    *,
    processes: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Embeds aligned faces, or goes on with a run that was stopped, or checks one that is finished.

    Processes are spawned: in a script, call this below `if __name__ == "__main__":`.

    Args:
        path: what `open_source` opens.
        output: the folder to fill: new, empty, or of the same run.
        recipe: what to embed by.
        processes: how many read, decode and embed; all processors if None. The bytes do not depend on it.
        progress: told of the images done.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: if there is no such data set or model.
        ImportError: if the runtime is not installed.
        ValueError: if the data set is damaged as a whole or has no images, an image has a size that the model does not
            take, or `output` holds something else.
        OSError: if the disk is full, or a process was killed.
    """
    source = open_source(path)
    if not len(source):
        raise ValueError(f"{path}: has no images")
    embedder = _embedder(recipe)
    run = {
        "seesaw_keras": __version__,
        "input": fingerprint(getattr(source, "path", path)),
        "embedder": embedder.describe(),
        "images_per_shard": recipe.images_per_shard,
    }
    folder = RunFolder(output, path, run)
    if folder.manifest:
        return folder.manifest
    ranges = parts(len(source), recipe.images_per_shard)
    shards = [folder.path / f"embeddings-{number:05d}-of-{len(ranges):05d}.npy" for number in range(len(ranges))]
    tables = [folder.progress / f"{shard.stem}.csv" for shard in shards]
    todo = [number for number, shard in enumerate(shards) if not shard.exists()]
    done = len(source) - sum(stop - start for start, stop in (ranges[number] for number in todo))
    progress("compute embeddings", done, len(source))
    with Workers(source, processes) as workers:
        tasks = [(recipe, shards[number], tables[number], *ranges[number]) for number in todo]
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
def _embedder(recipe: Recipe) -> Embedder:
    """Loads the model, once a process."""
    embedder = load_embedder(recipe.model, preprocess=recipe.preprocess, runtime=recipe.runtime)
    if not isinstance(embedder, Embedder):
        raise ValueError(f"{recipe.model}: holds embeddings already; name a model")
    return embedder


class _Look(NamedTuple):
    """A record: `image` is None and `problem` says why where it cannot be read or decoded."""

    row: int
    label: int
    name: str
    image: npt.NDArray[np.uint8] | None
    problem: str


def _looks(source: Source, start: int, stop: int) -> Iterator[_Look]:
    for row, position in enumerate(range(start, stop)):
        label, name = UNREADABLE, ""
        try:
            record = source[position]
            label, name = record.label, record.name
            image = decode_image(record.image, name=name)
        except ValueError as error:
            yield _Look(row, label, name, None, str(error))
        else:
            yield _Look(row, label, name, image, "")


def _embed_part(source: Source, recipe: Recipe, shard: Path, table: Path, start: int, stop: int) -> None:
    """Writes one shard; its table comes first, so that a shard that is there has one."""
    embedder = _embedder(recipe)
    length = embedder.embed(np.zeros((1, *embedder.input_size, 3), np.uint8)).shape[1]
    rows = np.full((stop - start, length), np.nan, np.float32)
    identities = getattr(source, "identities", None)
    with replacing(table) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        looks = _looks(source, start, stop)
        while batch := list(islice(looks, IMAGES_AT_ONCE)):
            _embed_into(rows, batch, embedder)
            for row, label, name, _, problem in batch:
                identity = identities[label] if isinstance(identities, list) and label != UNREADABLE else label
                lines.writerow((shard.name, row, label, identity, name, problem))
    with replacing(shard) as beside, beside.open("wb") as file_of_rows:
        np.save(file_of_rows, rows)


def _embed_into(rows: npt.NDArray[np.float32], batch: list[_Look], embedder: Embedder) -> None:
    """Fills in the rows of the images that are there; images of one size are embedded together."""
    by_shape: dict[tuple[int, ...], list[tuple[_Look, npt.NDArray[np.uint8]]]] = {}
    for look in batch:
        if look.image is not None:
            by_shape.setdefault(look.image.shape, []).append((look, look.image))
    for group in by_shape.values():
        try:
            made = embedder.embed(np.stack([image for _, image in group]))
        except ValueError as error:
            raise ValueError(f"{group[0][0].name}: {error}") from error
        rows[[look.row for look, _ in group]] = made


def _merge(tables: list[Path], index: Path) -> int:
    """Puts the tables of all shards into one; returns how many images have no embedding."""
    problems = 0
    with replacing(index) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(COLUMNS)
        for table in tables:
            with table.open(encoding="utf-8", newline="") as part:
                problems += sum(bool(line[-1]) for line in csv.reader(part))
                part.seek(0)
                shutil.copyfileobj(part, file)
    return problems
