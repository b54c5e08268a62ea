"""Reader and writer of MXNet's RecordIO, without MXNet: InsightFace's `train.rec` + `train.idx` + `property`.

>>> from seesaw_keras.data.formats.recordio import RecordIOSource, write_recordio
>>> source = RecordIOSource("faces_emore/train.rec")  # doctest: +SKIP
>>> source[0].name  # doctest: +SKIP
'train.rec[1]'
>>> write_recordio("copy/train.rec", source)  # doctest: +SKIP

A file is a sequence of parts: the word 0xCED7230A, a word with a flag (3 bits) and a length (29 bits), that many bytes
and zeros up to a multiple of four. A record that contains the magic word at a multiple of four is split there into
several parts (flags 1, 2, ..., 2, 3), omitting that word; other records are one part (flag 0). Source: dmlc-core,
`recordio.h`.

A record starts with flag, label, id and a second id (`IfQQ`); if the flag is above 0, that many float labels follow
instead of the single one. Then comes the encoded image. Source: MXNet, `image_recordio.h`.

InsightFace's layout: record 0 has no image and two labels, the key of the first identity record and the key of the last
one plus 1; the images are records 1 up to the first identity record, grouped by identity; an identity record also has
no image and two labels, the key of its first image and the key of its last one plus 1. Source: InsightFace,
`face2rec2.py`.
"""

import struct
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import image_size
from seesaw_keras.data.records import Record, Source
from seesaw_keras.files import replacing

__all__ = ["RecordIOSource", "write_recordio"]

_MAGIC = struct.pack("<I", 0xCED7230A)
_WORD = struct.Struct("<I")
_PART_HEAD = 8
_MAX_LENGTH = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEADER = struct.Struct("<IfQQ")
_WITHOUT_INDEX = "delete the .idx: the .rec can be read without it"
_MAX_EXACT = 1 << 24  # a float32 represents every integer up to here exactly


@dataclass(frozen=True, slots=True)
class _Entry:
    """A parsed record: its labels as floats (one or more) and its image, empty for header and identity records."""

    labels: tuple[float, ...]
    image: bytes


def _part(file: BinaryIO, offset: int, stop: int, name: str, allowed: tuple[int, int]) -> tuple[int, int]:
    """Reads the header of the part at `offset`, leaves the file after it and returns its flag and length."""
    if offset > stop - _PART_HEAD:
        raise ValueError(
            f"{name}: no record can start at byte {offset} when the file or the record ends at {stop}: it is truncated "
            f"or damaged; copy it again"
        )
    file.seek(offset)
    head = file.read(_PART_HEAD)
    if len(head) < _PART_HEAD or head[:4] != _MAGIC:
        raise ValueError(
            f"{name}: no record starts at byte {offset}: 0xCED7230A is missing. Either the .rec is damaged (copy it "
            f"again) or the .idx belongs to another file (delete it: the .rec can be read without)"
        )
    (word,) = _WORD.unpack(head[4:])
    flag, length = word >> 29, word & _MAX_LENGTH
    if flag not in allowed:
        raise ValueError(f"{name}: part flag {flag} at byte {offset}, expected one of {allowed}; copy the file again")
    if offset + _PART_HEAD + length + -length % 4 > stop:
        raise ValueError(
            f"{name}: {length} bytes are declared at byte {offset}, but the file or the record ends at {stop}: it is "
            f"truncated or damaged; copy it again"
        )
    return flag, length


def _parts(file: BinaryIO, offset: int, stop: int, name: str) -> Iterator[tuple[int, int]]:
    """Yields (length, end) of each part of the record at `offset`, with the file positioned at the part's content."""
    flag = _FIRST
    allowed = (_WHOLE, _FIRST)
    while flag in (_FIRST, _MIDDLE):
        flag, length = _part(file, offset, stop, name, allowed)
        offset += _PART_HEAD + length + -length % 4
        yield length, offset
        allowed = (_MIDDLE, _LAST)


def _end(file: BinaryIO, offset: int, stop: int, name: str) -> int:
    """Returns the end of the record at `offset`, at most `stop`."""
    return max(end for _, end in _parts(file, offset, stop, name))


def _content(file: BinaryIO, offset: int, stop: int, name: str) -> bytes:
    """Returns the content of the record from `offset` to `stop`, with its parts joined."""
    parts = []
    left = 0
    for length, end in _parts(file, offset, stop, name):
        left = stop - end
        parts.append(file.read(length))
        if len(parts[-1]) != length:
            raise ValueError(f"{name}: the file became shorter while it was read")
    if left:
        raise ValueError(
            f"{name}: it ends at byte {stop - left}, but the next record of the .idx starts at {stop}: the .rec "
            f"is damaged, or the .idx leaves records out; copy both again"
        )
    return _MAGIC.join(parts)


def _unpack(content: bytes, name: str) -> _Entry:
    if len(content) < _HEADER.size:
        raise ValueError(
            f"{name}: {len(content)} bytes are too few for an image record, whose header has {_HEADER.size}"
        )
    count, label, _, _ = _HEADER.unpack_from(content)
    start = _HEADER.size + 4 * count
    if start > len(content):
        raise ValueError(f"{name}: declares {count} labels, but has only {len(content)} bytes; copy the file again")
    labels = struct.unpack_from(f"<{count}f", content, _HEADER.size) if count else (label,)
    return _Entry(labels, content[start:])


def _to_integer(value: float, limit: int, what: str) -> int:
    """Converts a float to an integer from 0 to `limit`; raises a ValueError naming it `what` if it is not one."""
    if not (0 <= value <= limit and value == int(value)):
        raise ValueError(f"{what} {value} is not an integer from 0 to {limit}; copy the file again")
    return int(value)


def _scan(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Scans a .rec file; returns the keys 0, 1, ... and (n, 2) the start and end of each record."""
    size = path.stat().st_size
    edges = array("q", [0])
    with path.open("rb") as file:
        while edges[-1] < size:
            edges.append(_end(file, edges[-1], size, f"{path}[{len(edges) - 1}]"))
    bounds = np.array(edges, np.int64)
    return np.arange(len(bounds) - 1), np.column_stack([bounds[:-1], bounds[1:]])


def _read_index(path: Path, rec: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Reads an .idx file (lines of key and offset); returns the same as `_scan`, sorted by offset."""
    size = rec.stat().st_size
    if not path.stat().st_size:
        raise ValueError(f"{path}: an empty file; {_WITHOUT_INDEX}")
    try:
        rows = np.loadtxt(path, np.int64, comments=None, ndmin=2, encoding="latin1")
    except ValueError as error:
        raise ValueError(f"{path}: {str(error)[:100]}; {_WITHOUT_INDEX}") from error
    if rows.shape[1] != 2 or not rows.size or (rows < 0).any():
        raise ValueError(f"{path}: expected one key and one offset per line, both 0 or more; {_WITHOUT_INDEX}")
    keys, offsets = rows.T
    order = np.argsort(offsets, kind="stable")
    keys, offsets = keys[order], offsets[order]
    for values, what in ((keys, "key"), (offsets, "offset")):
        unique, counts = np.unique(values, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{path}: duplicate {what} {unique[counts > 1][0]}; {_WITHOUT_INDEX}")
    with rec.open("rb") as file:
        end = _end(file, int(offsets[-1]), size, f"{rec}[{keys[-1]}]")
    if end != size:
        raise ValueError(
            f"{path}: the last record listed ends at byte {end} of {rec.name}, which has {size}: one of the two is "
            f"incomplete. Copy both again, or delete the .idx to read all records of the .rec"
        )
    return keys, np.column_stack([offsets, np.append(offsets[1:], size)])


def _read_property(path: Path) -> int:
    """Returns the number of identities from a `property` file: `identities,height,width`."""
    text = path.read_bytes()[:100]
    fields = text.strip().split(b",")
    if len(fields) != 3 or not all(field.strip().isdigit() for field in fields):
        raise ValueError(f"{path}: {text!r} is not identities,height,width; correct it or delete it")
    return int(fields[0])


class RecordIOSource(Source):
    """The images of a .rec file, in file order.

    The index `name.idx` and the `property` file next to `name.rec` are used if they exist; without an index the whole
    file is scanned once. With InsightFace's header record the images are those it lists, otherwise all records are
    images. If a record has several labels, the first is the identity. Labels are not renumbered.

    Attributes:
        path: the .rec file.
        identities: number of identities in the header record or else in `property`; None if there is neither.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file, its index or its property file is damaged, or they contradict each other.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.stat().st_size:
            raise ValueError(f"{self.path}: an empty file; copy it again")
        index = self.path.with_suffix(".idx")
        self._keys, self._extents = _read_index(index, self.path) if index.exists() else _scan(self.path)
        self.identities: int | None = None
        header = self._header()
        if header:
            self._apply_header(*header)
        stated = self.path.with_name("property")
        if stated.exists():
            identities = _read_property(stated)
            if self.identities not in (None, identities):
                raise ValueError(
                    f"{stated}: {identities} identities, but the header record of {self.path.name} declares "
                    f"{self.identities}; correct or delete the property file"
                )
            self.identities = identities

    def _header(self) -> tuple[int, int] | None:
        """Returns the labels of InsightFace's header record, or None if the first record is not one."""
        if self._keys[0] != 0:
            return None
        name = f"{self.path}[0]"
        with self.path.open("rb") as file:
            entry = self._entry(file, 0)
        if entry.image or len(entry.labels) != 2:
            return None
        limit = len(self._keys) + len(self._keys) // _MAX_EXACT  # values above 2 ** 24 may have been rounded up
        first, end = (_to_integer(label, limit, f"{name}: identity key") for label in entry.labels)
        if not 1 <= first <= end:
            raise ValueError(f"{name}: identity records from {first} to {end}; copy the file again")
        return first, end

    def _apply_header(self, first: int, end: int) -> None:
        """Keeps the image records: keys 1 to the first identity record."""
        by_key = np.argsort(self._keys)
        self._keys, self._extents = self._keys[by_key], self._extents[by_key]
        if end > _MAX_EXACT:
            first, end = self._unrounded(first), len(self._keys)
        if not np.array_equal(self._keys[:end], np.arange(end)):
            raise ValueError(
                f"{self.path}: its header record declares the keys 0 to {end - 1}, but some are missing; the .rec or "
                f"the .idx is incomplete, copy both again"
            )
        self._keys, self._extents = self._keys[1:first], self._extents[1:first]
        self.identities = end - first or None

    def _unrounded(self, first: int) -> int:
        """Returns the first identity's exact key, which above 2 ** 24 records is only near the stored float."""
        reach = first // _MAX_EXACT + 1
        with self.path.open("rb") as file:
            for key in range(max(first - reach, 1), min(first + reach + 1, len(self._keys))):
                if not self._entry(file, key).image:
                    return key
        raise ValueError(f"{self.path}: no identity record near key {first}, as declared in the header; copy it again")

    def __len__(self) -> int:
        return len(self._keys)

    def _extent(self, position: int) -> tuple[int, int]:
        start, stop = self._extents[position]
        return int(start), int(stop)

    def _name(self, position: int) -> str:
        return f"{self.path.name}[{self._keys[position]}]"

    def _entry(self, file: BinaryIO, position: int) -> _Entry:
        name = self._name(position)
        return _unpack(_content(file, *self._extent(position), name), name)

    def _label(self, entry: _Entry, name: str) -> int:
        label = _to_integer(entry.labels[0], _MAX_EXACT, f"{name}: label")
        if self.identities is not None and label >= self.identities:
            raise ValueError(f"{name}: label {label}, but there are {self.identities} identities; copy the file again")
        return label

    def _from(self, file: BinaryIO, position: int) -> Record:
        name = self._name(position)
        entry = self._entry(file, position)
        if len(entry.labels) > 1 and not entry.image:
            raise ValueError(f"{name}: an identity record instead of an image: the header record is damaged")
        return Record(entry.image, self._label(entry, name), name)

    def _record(self, position: int) -> Record:
        with self.path.open("rb") as file:
            return self._from(file, position)

    def __iter__(self) -> Iterator[Record]:
        with self.path.open("rb") as file:
            for position in range(len(self)):
                yield self._from(file, position)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,); for most records only the first 32 bytes are read."""
        labels = np.empty(len(self), np.int64)
        with self.path.open("rb") as file:
            for position in range(len(self)):
                name = self._name(position)
                length, _ = next(_parts(file, *self._extent(position), name))
                head = file.read(min(length, _HEADER.size))
                if len(head) == _HEADER.size and not _HEADER.unpack(head)[0]:
                    labels[position] = self._label(_unpack(head, name), name)
                else:
                    labels[position] = self._from(file, position).label
        return labels


class _RecordWriter:
    """Appends records to a .rec file and their keys and offsets to an .idx file."""

    def __init__(self, rec: BinaryIO, idx: BinaryIO) -> None:
        self._rec, self._idx = rec, idx
        self._key = 0

    def append(self, labels: tuple[int, ...], image: bytes = b"") -> None:
        """Writes a record; two labels become an array, a single one is stored in the header."""
        array = labels if len(labels) > 1 else ()
        scalar = 0 if array else labels[0]
        content = _HEADER.pack(len(array), scalar, self._key, 0) + struct.pack(f"<{len(array)}f", *array) + image
        if len(content) > _MAX_LENGTH:
            raise ValueError(f"record {self._key}: {len(content)} bytes; the limit of RecordIO is {_MAX_LENGTH}")
        self._idx.write(b"%d\t%d\n" % (self._key, self._rec.tell()))
        parts = _split(content)
        flags = [_FIRST, *[_MIDDLE] * (len(parts) - 2), _LAST] if len(parts) > 1 else [_WHOLE]
        for flag, part in zip(flags, parts, strict=True):
            self._rec.write(_MAGIC + _WORD.pack(flag << 29 | len(part)) + part + bytes(-len(part) % 4))
        self._key += 1


def _split(content: bytes) -> list[bytes]:
    """Splits content at every 0xCED7230A that starts at a multiple of four."""
    parts = []
    start = 0
    found = content.find(_MAGIC)
    while found >= 0:
        if found % 4 == 0:
            parts.append(content[start:found])
            start = found + 4
        found = content.find(_MAGIC, start if found % 4 == 0 else found + 1)
    return [*parts, content[start:]]


def write_recordio(path: str | Path, source: Source) -> None:
    """Writes `path` (.rec), its .idx and a `property` file beside it, in InsightFace's layout.

    The images are grouped by identity, in the order of `source` within each. `property` stores the first image's size.

    Args:
        path: the .rec file; existing files are replaced only once all new ones are complete.
        source: records with labels 0 to n - 1, each present at least once.

    Raises:
        ValueError: if the source is empty, a label is missing, a record is longer than 512 MiB, or there are more
            records than 2 ** 24, above which the format's float labels can no longer represent every key.
    """
    path = Path(path)
    labels = source.labels()
    if not len(labels):
        raise ValueError(f"{path}: nothing to write: the source has no records")
    present, counts = np.unique(labels, return_counts=True)
    if not np.array_equal(present, np.arange(len(present))):
        gap = int(np.argmax(present != np.arange(len(present))))
        raise ValueError(f"{path}: identity {gap} has no image; number identities from 0 without gaps")
    first, end = len(labels) + 1, len(labels) + 1 + len(counts)
    if end > _MAX_EXACT:
        raise ValueError(f"{path}: {end} records; the limit of RecordIO is {_MAX_EXACT}; write TFRecord instead")
    order = range(len(labels)) if (np.diff(labels) >= 0).all() else np.argsort(labels, kind="stable").tolist()
    height, width = image_size(source[order[0]].image, name=source[order[0]].name)
    bounds = [1, *(1 + np.cumsum(counts)).tolist()]
    index, stated = path.with_suffix(".idx"), path.with_name("property")
    with ExitStack() as stack:
        # Exited in reverse order: the .rec is put in place first. The old index is deleted before, as it is optional.
        beside_property = stack.enter_context(replacing(stated))
        beside_index = stack.enter_context(replacing(index))
        beside_rec = stack.enter_context(replacing(path))
        with beside_rec.open("wb") as rec, beside_index.open("wb") as idx:
            writer = _RecordWriter(rec, idx)
            writer.append((first, end))
            for position in order:
                record = source[position]
                writer.append((record.label,), record.image)
            for image_range in pairwise(bounds):
                writer.append(image_range)
        beside_property.write_text(f"{len(counts)},{height},{width}")
        index.unlink(missing_ok=True)
        stated.unlink(missing_ok=True)
