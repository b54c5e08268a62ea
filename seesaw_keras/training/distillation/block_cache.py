"""Rows of numbers for the images of a data set, on disk, written block by block so that a kill loses one block at most.

>>> from seesaw_keras.training.distillation.block_cache import BlockCache
>>> cache = BlockCache(Path("cache"), {"teacher": "sha256 ..."}, views=2, images=1000)
>>> for block in cache.missing():
...     cache.write(block, compute(cache.images_of(block)))
>>> cache.finish()
>>> cache.rows().shape
(2, 1000, 512)

A cache is named by a key of everything that its rows follow from. `KEY.npy` holds them and can be read by anyone; while
it is not whole it is `KEY.partial.npy`. `KEY.blocks` says on its first lines what the rows are, on the others which
blocks are there, and their checksums. Data go to the disk before the line that says so.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.files import replacing

__all__ = ["BlockCache"]

BLOCK = 256  # images
DTYPE, WIDTH = "<f2", 2  # of a number, in bytes; unit embeddings lose less than 1e-4 of a cosine
LONGEST = 65_536  # no row is longer; bounds what a damaged file can ask for


class BlockCache:
    """The files of one cache.

    Args:
        folder: where they are; it may hold any number of caches.
        facts: all that the rows follow from, as JSON; the key is its hash.
        views: rows per image.
        images: number of images.

    Attributes:
        path: of the rows once they are whole.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, views: int, images: int) -> None:
        self._facts = json.dumps({"format": 2, "images_a_block": BLOCK, **facts}, sort_keys=True)
        key = hashlib.sha256(self._facts.encode()).hexdigest()[:16]
        self.path = folder / f"{key}.npy"
        self._partial = folder / f"{key}.partial.npy"
        self._log = folder / f"{key}.blocks"
        self._views, self._images = views, images
        self._length: int | None = None  # of a row; only the log and the first block know

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out until the end of the block, or of this process."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def images_of(self, block: int) -> range:
        """Returns the positions of a block's images."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self._images))

    def whole(self) -> bool:
        """Says whether all rows are there as they were written; reads them all."""
        return self.path.exists() and not self.missing()

    def missing(self) -> list[int]:
        """Returns the blocks that are not there, or not as they were written; reads all that are there."""
        self._length, sums = self._read_log()
        blocks = range(-(-self._images // BLOCK))
        try:
            rows = self.rows()
        except ValueError:
            self._length = None
            return list(blocks)
        return [block for block in blocks if sums.get(block) != _checksum(self._cut(rows, block))]

    def rows(self) -> np.memmap:
        """Maps the rows read-only: float16 (views, images, length).

        Raises:
            ValueError: if there is no file of the shape that the log announces.
        """
        path = self.path if self.path.exists() else self._partial
        if self._length is not None and path.exists():
            header, shape = self._header(self._length)
            with path.open("rb") as file:
                size = len(header) + WIDTH * int(np.prod(shape))
                fits = file.read(len(header)) == header and path.stat().st_size == size
            if fits:
                return np.memmap(path, DTYPE, "r", len(header), shape)
        raise ValueError(f"{path}: not there, or damaged")

    def write(self, block: int, rows: npt.NDArray[np.floating]) -> None:
        """Writes the rows of a block's images, (views, images, length), for good, as float16.

        Raises:
            OSError: if the disk is full, or whatever else it says.
        """
        if self.path.exists():  # and is damaged
            self.path.replace(self._partial)
        if self._length is None:
            self._begin(rows.shape[2])
        header, (_, images, length) = self._header(rows.shape[2])
        try:
            # Not through the memory map: where the disk is full, that ends the process by a signal.
            with self._partial.open("r+b") as file:
                for view, part in enumerate(rows):
                    file.seek(len(header) + WIDTH * length * (view * images + block * BLOCK))
                    file.write(np.ascontiguousarray(part, DTYPE).data)
                _flush(file)
            with self._log.open("a", encoding="ascii") as log:
                log.write(f"\n{block} {_checksum(rows):08x}")
                _flush(log)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._partial)) from error

    def finish(self) -> None:
        """Gives the rows their name, once no block is missing."""
        if self._partial.exists():
            self._partial.replace(self.path)

    def _begin(self, length: int) -> None:
        """Starts both files anew."""
        header, shape = self._header(length)
        with self._partial.open("wb") as file:
            file.write(header)
            file.truncate(len(header) + WIDTH * int(np.prod(shape)))
        with replacing(self._log) as beside:
            beside.write_text(f"{self._facts}\nlength {length}", "ascii")
        self._length = length

    def _header(self, length: int) -> tuple[bytes, tuple[int, int, int]]:
        """Returns the first bytes of the .npy file and the shape that they announce."""
        shape, header = (self._views, self._images, length), io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": DTYPE, "fortran_order": False, "shape": shape})
        return header.getvalue(), shape

    def _read_log(self) -> tuple[int | None, dict[int, int]]:
        """Returns the rows' length and the blocks' checksums; None and none if there is no log of this cache."""
        try:
            facts, length_line, *lines = self._log.read_text("ascii", errors="replace").split("\n")
        except (FileNotFoundError, ValueError):
            return None, {}
        length = re.fullmatch(r"length ([0-9]{1,5})", length_line)
        if facts != self._facts or length is None or not 1 <= int(length[1]) <= LONGEST:
            return None, {}
        # A line that a kill cut off does not match; of a block that was written again the last line counts.
        found = [re.fullmatch(r"([0-9]{1,18}) ([0-9a-f]{8})", line) for line in lines]
        return int(length[1]), {int(match[1]): int(match[2], 16) for match in found if match}

    def _cut(self, rows: np.memmap, block: int) -> npt.NDArray[np.float16]:
        images = self.images_of(block)
        return rows[:, images.start : images.stop]


def _checksum(rows: npt.NDArray[np.floating]) -> int:
    return zlib.crc32(np.ascontiguousarray(rows, DTYPE).data)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
