"""On-disk cache of per-image rows, written block by block; a kill loses at most one block.

>>> from seesaw_keras.training.distillation.block_cache import BlockCache
>>> cache = BlockCache(Path("cache"), {"teacher": "sha256 ..."}, views=2, images=1000)
>>> for block in cache.missing():  # doctest: +SKIP
...     cache.write(block, compute(cache.images_of(block)))
>>> cache.finish()
>>> cache.rows().shape  # doctest: +SKIP
(2, 1000, 512)

A cache is named by a key, a hash of everything its rows depend on. `KEY.npy` is a regular NumPy file with the rows;
while incomplete, it is named `KEY.partial.npy`. `KEY.blocks` is the log: its first lines describe the rows, the others
list the completed blocks with their checksums. A block is flushed to disk before its log line is written.
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
DTYPE, WIDTH = "<f2", 2  # data type and its size in bytes; float16 changes a cosine by less than 1e-4
LONGEST = 65_536  # maximum row length; bounds the memory that a damaged file can request


class BlockCache:
    """The files of one cache.

    Args:
        folder: cache folder; it may hold any number of caches.
        facts: JSON-serializable description of everything the rows depend on; the key is its hash.
        views: number of rows per image.
        images: number of images.

    Attributes:
        path: path of the rows once complete.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, views: int, images: int) -> None:
        self._facts = json.dumps({"format": 2, "images_a_block": BLOCK, **facts}, sort_keys=True)
        key = hashlib.sha256(self._facts.encode()).hexdigest()[:16]
        self.path = folder / f"{key}.npy"
        self._partial = folder / f"{key}.partial.npy"
        self._log = folder / f"{key}.blocks"
        self._views, self._images = views, images
        self._length: int | None = None  # row length; taken from the log or the first block

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds an exclusive lock on the cache until the end of the block or of this process."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def images_of(self, block: int) -> range:
        """Returns the indices of a block's images."""
        return range(block * BLOCK, min((block + 1) * BLOCK, self._images))

    def is_complete(self) -> bool:
        """Returns whether all rows are present and match their checksums; reads all rows."""
        return self.path.exists() and not self.missing()

    def missing(self) -> list[int]:
        """Returns the blocks that are missing or do not match their checksum; reads all rows present."""
        self._length, sums = self._read_log()
        blocks = range(-(-self._images // BLOCK))
        try:
            rows = self.rows()
        except ValueError:
            self._length = None
            return list(blocks)
        return [block for block in blocks if sums.get(block) != _checksum(self._block_rows(rows, block))]

    def rows(self) -> np.memmap:
        """Maps the rows read-only: float16 (views, images, length).

        Raises:
            ValueError: if there is no file of the shape recorded in the log.
        """
        path = self.path if self.path.exists() else self._partial
        if self._length is not None and path.exists():
            header, shape = self._header(self._length)
            with path.open("rb") as file:
                size = len(header) + WIDTH * int(np.prod(shape))
                fits = file.read(len(header)) == header and path.stat().st_size == size
            if fits:
                return np.memmap(path, DTYPE, "r", len(header), shape)
        raise ValueError(f"{path}: missing or damaged")

    def write(self, block: int, rows: npt.NDArray[np.floating]) -> None:
        """Writes the rows of a block's images, (views, images, length), as float16 and flushes them to disk.

        Raises:
            OSError: if writing fails, for example because the disk is full.
        """
        if self.path.exists():  # complete but damaged
            self.path.replace(self._partial)
        if self._length is None:
            self._create(rows.shape[2])
        header, (_, images, length) = self._header(rows.shape[2])
        try:
            # Not through a memory map, which would kill the process with SIGBUS if the disk is full.
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
        """Renames the rows to their final name; call it once no block is missing."""
        if self._partial.exists():
            self._partial.replace(self.path)

    def _create(self, length: int) -> None:
        """Creates the rows and the log, overwriting both."""
        header, shape = self._header(length)
        with self._partial.open("wb") as file:
            file.write(header)
            file.truncate(len(header) + WIDTH * int(np.prod(shape)))
        with replacing(self._log) as beside:
            beside.write_text(f"{self._facts}\nlength {length}", "ascii")
        self._length = length

    def _header(self, length: int) -> tuple[bytes, tuple[int, int, int]]:
        """Returns the header of the .npy file and the array shape."""
        shape, header = (self._views, self._images, length), io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": DTYPE, "fortran_order": False, "shape": shape})
        return header.getvalue(), shape

    def _read_log(self) -> tuple[int | None, dict[int, int]]:
        """Returns the row length and the checksum of each block; (None, {}) if this cache has no valid log."""
        try:
            facts, length_line, *lines = self._log.read_text("ascii", errors="replace").split("\n")
        except (FileNotFoundError, ValueError):
            return None, {}
        length = re.fullmatch(r"length ([0-9]{1,5})", length_line)
        if facts != self._facts or length is None or not 1 <= int(length[1]) <= LONGEST:
            return None, {}
        # A line truncated by a kill does not match; for a block written more than once, the last line counts.
        found = [re.fullmatch(r"([0-9]{1,18}) ([0-9a-f]{8})", line) for line in lines]
        return int(length[1]), {int(match[1]): int(match[2], 16) for match in found if match}

    def _block_rows(self, rows: np.memmap, block: int) -> npt.NDArray[np.float16]:
        images = self.images_of(block)
        return rows[:, images.start : images.stop]


def _checksum(rows: npt.NDArray[np.floating]) -> int:
    return zlib.crc32(np.ascontiguousarray(rows, DTYPE).data)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
