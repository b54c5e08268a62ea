"""TFRecord shards, written and read without TensorFlow; also readable by `tf.data.TFRecordDataset`.

>>> from seesaw_keras.data.records import Record
>>> from seesaw_keras.data.formats.tfrecord import TFRecordSource, shard_name, write_shard
>>> write_shard(f"shards/{shard_name(0, 1)}", [Record(b"...", 0, "alice/001.jpg")])
1
>>> TFRecordSource("shards")[0].name
'alice/001.jpg'

A file is a sequence of records: the length (8 bytes), its checksum (4), the data, its checksum (4), all little endian;
a checksum is a CRC-32C, rotated and offset. Source: TensorFlow, "TFRecord and tf.train.Example".
"""

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seesaw_keras.data.formats.crc32c import crc32c
from seesaw_keras.data.formats.example import parse_example, serialize_example
from seesaw_keras.data.records import Record, Source
from seesaw_keras.files import replacing

__all__ = ["TFRecordSource", "shard_name", "write_shard"]

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_HEAD = _LENGTH.size + _CHECKSUM.size
_SHARD = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.tfrecord")


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return _CHECKSUM.pack((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF)


def shard_name(index: int, count: int) -> str:
    """Returns the file name of shard `index` (from 0) of `count`: `faces-00000-of-00008.tfrecord`."""
    return f"faces-{index:05d}-of-{count:05d}.tfrecord"


def write_shard(path: str | Path, records: Iterable[Record]) -> int:
    """Writes one TFRecord file; the same records give the same bytes.

    Args:
        path: the file to write; it is replaced only once the new one is complete.
        records: the records to write, iterated once.

    Returns:
        The number of records.

    Raises:
        ValueError: if a label is below 0.
    """
    count = 0
    with replacing(path) as beside, beside.open("wb") as file:
        for record in records:
            if not 0 <= record.label < 1 << 63:
                raise ValueError(f"{record.name}: label must be 0 or more, got {record.label}")
            data = serialize_example(record)
            length = _LENGTH.pack(len(data))
            file.write(length + _masked(length) + data + _masked(data))
            count += 1
    return count


def _shards(path: Path) -> list[Path]:
    """Returns the files of a data set, in order."""
    if path.is_file():
        return [path]
    shards = sorted(path.glob("*.tfrecord"))
    if not shards:
        raise ValueError(f"{path}: contains no *.tfrecord files")
    sets: dict[tuple[str, str], list[int]] = {}
    for shard in shards:
        if match := _SHARD.fullmatch(shard.name):
            sets.setdefault((match[1], match[3]), []).append(int(match[2]))
    for (prefix, count), numbers in sets.items():
        if numbers != list(range(int(count))):
            raise ValueError(f"{path}: found {len(numbers)} of the {int(count)} shards {prefix}-*-of-{count}")
    return shards


class TFRecordSource(Source):
    """The records of a TFRecord file, or of all shards of a folder.

    Opening reads the length of every record; reading a record verifies its checksum, which detects any flipped bit. A
    file truncated between two records cannot be detected here; compare the SHA-256 in a manifest.

    Attributes:
        paths: the files, in order.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if shards are missing, or a file is truncated or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.paths = _shards(Path(path))
        self._sizes = [shard.stat().st_size for shard in self.paths]
        counts, offsets = [], []
        for shard, size in zip(self.paths, self._sizes, strict=True):
            starts = list(self._scan(shard, size))
            counts.append(len(starts))
            offsets.extend(starts)
        self._offsets = np.array(offsets, np.int64)
        self._firsts = np.cumsum([0, *counts])

    def _scan(self, shard: Path, size: int) -> Iterator[int]:
        offset = index = 0
        with shard.open("rb") as file:
            while offset < size:
                yield offset
                offset += _HEAD + self._length(file, offset, size, f"{shard}[{index}]") + _CHECKSUM.size
                index += 1

    @staticmethod
    def _length(file: BinaryIO, offset: int, size: int, name: str) -> int:
        """Reads the length of the record at `offset` and positions the file at its data."""
        file.seek(offset)
        head = file.read(_HEAD)
        if len(head) < _HEAD:
            raise ValueError(f"{name}: the file ends within the record's length: it is truncated; copy it again")
        if _masked(head[:8]) != head[8:]:
            raise ValueError(
                f"{name}: the checksum of the length at byte {offset} is wrong: the file is damaged (copy it again), "
                f"compressed (decompress it) or not a TFRecord"
            )
        (length,) = _LENGTH.unpack(head[:8])
        if offset + _HEAD + length + _CHECKSUM.size > size:
            raise ValueError(
                f"{name}: {length} bytes are declared at byte {offset}, but the file ends at {size}: it is truncated; "
                f"copy it again"
            )
        return length

    def __len__(self) -> int:
        return len(self._offsets)

    def _from(self, file: BinaryIO, shard: int, position: int) -> Record:
        name = f"{self.paths[shard]}[{position - self._firsts[shard]}]"
        length = self._length(file, int(self._offsets[position]), self._sizes[shard], name)
        data = file.read(length)
        if _masked(data) != file.read(_CHECKSUM.size):
            raise ValueError(f"{name}: the checksum of the record is wrong: the file is damaged; copy it again")
        return parse_example(data, name=name)

    def _record(self, position: int) -> Record:
        shard = int(np.searchsorted(self._firsts, position, "right")) - 1
        with self.paths[shard].open("rb") as file:
            return self._from(file, shard, position)

    def __iter__(self) -> Iterator[Record]:
        for shard, path in enumerate(self.paths):
            with path.open("rb") as file:
                for position in range(self._firsts[shard], self._firsts[shard + 1]):
                    yield self._from(file, shard, position)
