"""Scan of a source: each record's label, the SHA-256 of its image, and whether the image decodes.

>>> from seesaw_keras.data.preparation.scan import scan
>>> with Workers(source, None) as workers:  # doctest: +SKIP
...     rows = scan(workers, len(source), Path("out/.progress"), lambda stage, done, total: None)
>>> rows["decodes"].mean()  # doctest: +SKIP
1.0

The result is stored in parts, so that an interrupted scan can resume.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.preparation.workers import Workers
from seesaw_keras.data.records import Record, Source
from seesaw_keras.files import replacing

__all__ = ["SCANNED", "UNREADABLE", "Progress", "Selected", "describe", "parts", "scan"]

# The SHA-256 as raw bytes. NumPy strips trailing zeros from an S32, which is harmless since all are 32 bytes long.
SCANNED = np.dtype([("label", "<i8"), ("decodes", "?"), ("sha256", "S32")])
UNREADABLE = -1  # in place of a label

_IMAGES = 2048  # per part: one or two seconds of one process

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the number of completed items and the total."""


def parts(count: int, size: int) -> list[tuple[int, int]]:
    """Splits 0 to `count` into ranges of `size`; the last may be shorter."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def _inspect(source: Source, position: int) -> tuple[Record | None, str]:
    """Returns a record, or None if it cannot be read, and the problem found, or an empty string."""
    try:
        record = source[position]
    except ValueError as error:
        return None, str(error)
    try:
        decode_image(record.image, name=record.name)
    except ValueError as error:
        return record, str(error)
    return record, ""


def _scan_part(source: Source, path: Path, start: int, stop: int) -> None:
    rows = np.zeros(stop - start, SCANNED)
    for row in range(stop - start):
        record, problem = _inspect(source, start + row)
        if record is None:
            rows[row] = (UNREADABLE, False, b"")
        else:
            rows[row] = (record.label, not problem, hashlib.sha256(record.image).digest())
    with replacing(path) as beside, beside.open("wb") as file:
        np.save(file, rows)


def scan(workers: Workers, count: int, folder: Path, progress: Progress) -> npt.NDArray[np.void]:
    """Reads and decodes every image; parts already stored in `folder` are reused.

    Args:
        workers: worker processes that hold the source.
        count: number of records in the source.
        folder: folder for the parts.
        progress: called with the number of records scanned.

    Returns:
        SCANNED (count,). A record that cannot be read has the label -1.
    """
    ranges = parts(count, _IMAGES)
    paths = [folder / f"scan-{index:06d}.npy" for index in range(len(ranges))]
    todo = [index for index, path in enumerate(paths) if not path.exists()]
    done = count - sum(stop - start for start, stop in (ranges[index] for index in todo))
    progress("scan", done, count)
    for index, _ in workers.run(_scan_part, [(paths[index], *ranges[index]) for index in todo]):
        start, stop = ranges[todo[index]]
        done += stop - start
        progress("scan", done, count)
    return np.concatenate([np.load(path) for path in paths])


def _describe_part(source: Source, positions: list[int]) -> list[tuple[str, str]]:
    inspected = [_inspect(source, position) for position in positions]
    return [(record.name if record else "", problem) for record, problem in inspected]


def describe(workers: Workers, positions: list[int]) -> Iterator[tuple[str, str]]:
    """Yields each record's name, empty if it cannot be read, and the problem found, or an empty string."""
    tasks = [(positions[start:stop],) for start, stop in parts(len(positions), _IMAGES)]
    found = dict(workers.run(_describe_part, tasks))
    for index in range(len(tasks)):
        yield from found[index]


class Selected(Source):
    """Selected records of a source under new labels; each is verified against the scan when it is read.

    Args:
        source: the source.
        positions: (n,) positions of the records.
        labels: (n,) the new labels.
        digests: (n,) SHA-256 of the images, S32.

    Raises:
        ValueError: on reading a record whose image has changed since the scan.
    """

    def __init__(
        self,
        source: Source,
        positions: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        digests: npt.NDArray[np.bytes_],
    ) -> None:
        self._source, self._positions, self._labels, self._digests = source, positions, labels, digests

    def __len__(self) -> int:
        return len(self._positions)

    def _record(self, position: int) -> Record:
        record = self._source[int(self._positions[position])]
        if hashlib.sha256(record.image).digest().rstrip(b"\0") != self._digests[position]:
            raise ValueError(f"{record.name}: changed while the set was prepared; start again with an empty folder")
        return Record(record.image, int(self._labels[position]), record.name)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns the new labels, (n,)."""
        return self._labels.copy()
