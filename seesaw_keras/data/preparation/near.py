"""Identity overlap between a training set and a test set, so that no test identity is trained on.

>>> from seesaw_keras.data.preparation.near import Exclusion
>>> exclusion = Exclusion("lfw.bin", embedder, cosine=0.5)  # doctest: +SKIP

An identity is represented by the mean of its unit embeddings; in a set of verification pairs, each image by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.preparation.scan import parts
from seesaw_keras.data.records import Pairs, Record, Source
from seesaw_keras.data.sources import open_pairs, open_source
from seesaw_keras.files import replacing
from seesaw_keras.inference.embedders import Embedder

__all__ = ["Exclusion", "best_matches", "mean_embeddings", "open_people"]

Floats = npt.NDArray[np.float64]

_IDENTITIES = 64  # identities per part; a part in progress is lost on interruption
_IMAGES_AT_ONCE = 32
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Exclusion:
    """A test set whose identities are excluded from a training set.

    Attributes:
        path: the test set: verification pairs (.bin) or anything that `open_source` opens.
        embedder: the model; with another description it is a different run.
        cosine: identities with at least this cosine to an identity of the test set are left out.
    """

    path: str | Path
    embedder: Embedder
    cosine: float = 0.5


class _PairImages(Source):
    """Images of verification pairs, each as its own identity, because the format does not name identities."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs.names)

    def _record(self, position: int) -> Record:
        return Record(self._pairs.read(position), position, self._pairs.names[position])


def open_people(path: str | Path) -> Source:
    """Opens a test set: an InsightFace .bin, each image as its own identity, or anything that `open_source` opens."""
    return _PairImages(open_pairs(path)) if Path(path).suffix.lower() == ".bin" else open_source(path)


def _unit(rows: npt.NDArray[Any], names: Sequence[str]) -> Floats:
    rows = np.asarray(rows, np.float64)
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if wrong.size:
        raise ValueError(
            f"{names[wrong[0]]}: its embedding is all zero or not finite; check the model and its preprocessing"
        )
    return rows / lengths[:, None]


def _unit_embeddings(records: Iterable[Record], embedder: Embedder) -> Iterator[Floats]:
    """Yields unit embeddings (n, d) of consecutive records."""
    iterator = iter(records)
    while batch := list(islice(iterator, _IMAGES_AT_ONCE)):
        names = [record.name for record in batch]
        images = [decode_image(record.image, name=record.name) for record in batch]
        yield _unit(embedder.embed_named(images, names), names)


def mean_embeddings(
    source: Source,
    positions: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    embedder: Embedder,
    folder: Path,
    progress: Callable[[int, int], None],
) -> Floats:
    """Returns the mean embedding of each identity; parts already stored in `folder` are reused.

    Args:
        source: the images.
        positions: (n,) positions of the images to use.
        labels: (n,) their identities, numbered from 0 without gaps.
        embedder: the model.
        folder: folder for the parts.
        progress: called with the number of identities embedded so far, and the total.

    Returns:
        Unit rows (identities, d).
    """
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(labels.max() + 2))
    rows = []
    for index, (start, stop) in enumerate(parts(len(bounds) - 1, _IDENTITIES)):
        path = folder / f"means-{index:06d}.npy"
        if not path.exists():
            members = positions[order[bounds[start] : bounds[stop]]].tolist()
            embeddings = np.concatenate(list(_unit_embeddings((source[member] for member in members), embedder)))
            sums = np.add.reduceat(embeddings, bounds[start:stop] - bounds[start])
            with replacing(path) as beside, beside.open("wb") as file:
                np.save(file, _unit(sums, [f"identity {label}" for label in range(start, stop)]))
        rows.append(np.load(path))
        progress(stop, len(bounds) - 1)
    return np.concatenate(rows)


def best_matches(rows: Floats, others: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Returns each unit row's largest cosine with a row of `others`, (n,), and its index, (n,); rows are (n, d)."""
    cosines, which = np.empty(len(rows)), np.empty(len(rows), np.int64)
    for start, stop in parts(len(rows), _ROWS_AT_ONCE):
        table = rows[start:stop] @ others.T
        which[start:stop] = table.argmax(1)
        cosines[start:stop] = table.max(1)
    return cosines, which
