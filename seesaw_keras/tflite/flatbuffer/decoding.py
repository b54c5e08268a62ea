"""Decodes flatbuffer tables to dictionaries; checks every offset, size and length before following it.

>>> from seesaw_keras.tflite.flatbuffer.decoding import decode
>>> tables = decode(Path("shuffle.tflite").read_bytes(), "shuffle.tflite")  # doctest: +SKIP
>>> tables["subgraphs"][0]["tensors"][0]["name"]  # doctest: +SKIP
'image'

Flatbuffer layout (flatbuffers.dev, "FlatBuffer Internals"): an offset is a uint32 relative to its own position,
pointing forward. The file begins with the offset of the root table and a four-character file identifier. A table begins
with an int32, the distance back to its vtable, which holds the uint16 sizes of the vtable and of the table, and for
each field its uint16 distance from the table's start, 0 if absent. A vector is a uint32 count followed by its entries;
a string is a null-terminated vector of UTF-8 bytes. Everything is little-endian and aligned to its own size.
"""

import struct
from typing import Any

import numpy as np

from seesaw_keras.tflite.flatbuffer.model import FlatbufferError
from seesaw_keras.tflite.flatbuffer.schema import ENUMS, SCALARS, TABLES, Field

__all__ = ["IDENTIFIER", "decode"]

IDENTIFIER = b"TFL3"
_UOFFSET = struct.Struct("<I")
_SOFFSET = struct.Struct("<i")
_VTABLE = struct.Struct("<HH")
_VOFFSET = struct.Struct("<H")
_ENUM = struct.Struct("<B")
_SCALARS = {name: struct.Struct(f"<{code}") for name, code in SCALARS.items()}
_VECTORS = {name: np.dtype(f"<{code}") for name, code in SCALARS.items()}
_SMALLEST_TABLE = 8  # its offset in the parent and its offset to the vtable


def decode(data: bytes, name: str) -> dict[str, Any]:
    """Decodes the root table and everything below it.

    Args:
        data: file contents.
        name: file name used in error messages.

    Returns:
        The schema's fields by name, without the refused ones. Absent fields have their defaults. Strings are str,
        enumerations their names, tables dictionaries, vectors of tables lists, other vectors read-only array views of
        `data` (whose entries are not validated), and unions the selected table.

    Raises:
        FlatbufferError: an offset or length is out of bounds or misaligned, a string is not UTF-8, an enumeration value
            is unknown, or the file uses an unsupported feature.
    """
    return _Decoder(data, name).root()


class _Decoder:
    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        # Budget of decoded bytes. Tables may share their targets, so a small malicious file could expand to a huge
        # tree. Without sharing, tables take at most the file's size; some sharing is normal. Buffers may be shared
        # freely, since they are not traversed here.
        self._left = 4 * len(data) + 1024

    def root(self) -> dict[str, Any]:
        if self._data[4:8] != IDENTIFIER:
            raise FlatbufferError(f"{self._name}: not a TensorFlow Lite model: bytes 4 to 7 are not 'TFL3'")
        return self._table("Model", _UOFFSET.unpack_from(self._data)[0], "")

    def _error(self, path: str, problem: str) -> FlatbufferError:
        return FlatbufferError(f"{self._name}: {path or 'the root table'}: {problem}; the file is damaged")

    def _spend(self, size: int, path: str) -> None:
        self._left -= size
        if self._left < 0:
            raise self._error(path, "overlapping tables expand to more than the file size")

    def _require(self, start: int, size: int, alignment: int, path: str) -> None:
        if start + size > len(self._data):
            raise self._error(path, f"{size} bytes at {start} are outside the file of {len(self._data)} bytes")
        if start % alignment:
            raise self._error(path, f"offset {start} is not a multiple of {alignment}")

    def _table(self, table: str, start: int, path: str) -> dict[str, Any]:
        self._spend(_SMALLEST_TABLE, path)
        self._require(start, 4, 4, path)
        vtable = start - _SOFFSET.unpack_from(self._data, start)[0]
        if vtable < 0:
            raise self._error(path, f"negative vtable offset {vtable}")
        self._require(vtable, 4, 2, path)
        vtable_size, size = _VTABLE.unpack_from(self._data, vtable)
        if vtable_size < 4 or vtable_size % 2 or size < 4:
            raise self._error(path, f"invalid vtable size {vtable_size} or table size {size}")
        self._require(vtable, vtable_size, 2, path)
        self._require(start, size, 4, path)
        fields: dict[str, Any] = {}
        for slot, field in enumerate(TABLES[table]):
            if field is None:
                continue
            entry = 4 + 2 * slot
            distance = _VOFFSET.unpack_from(self._data, vtable + entry)[0] if entry < vtable_size else 0
            inner = f"{path}.{field.name}" if path else field.name
            value = self._field(field, start, size, distance, fields, inner) if distance else field.default
            if not field.refused:
                fields[field.name] = value
            elif value != field.default:
                raise FlatbufferError(f"{self._name}: {inner}: not supported; convert the model without it")
        return fields

    def _field(self, field: Field, table: int, size: int, distance: int, earlier: dict[str, Any], path: str) -> Any:
        """Decodes the field at byte `distance` of the table at `table`, which has `size` bytes."""
        scalar = _SCALARS[field.of] if field.kind == "scalar" else _ENUM if field.kind == "enum" else _UOFFSET
        if distance < 4 or distance + scalar.size > size:
            raise self._error(path, f"field offset {distance} is outside the table of {size} bytes")
        index = table + distance
        self._require(index, scalar.size, scalar.size, path)
        (value,) = scalar.unpack_from(self._data, index)
        if field.kind == "scalar":
            return value
        if field.kind == "enum":
            names = ENUMS[field.of]
            if value >= len(names):
                raise self._error(path, f"unknown {field.of} value {value}")
            return names[value]
        if field.refused:
            return ...  # any value that differs from the default
        return self._pointed_to(field, index + value, earlier, path)

    def _pointed_to(self, field: Field, start: int, earlier: dict[str, Any], path: str) -> Any:
        """Decodes the target of an offset: a table, a string or a vector."""
        if field.kind == "table":
            return self._table(field.of, start, path)
        if field.kind == "union":
            chosen = earlier[f"{field.name}_type"]
            return None if chosen == "NONE" else self._table(chosen, start, path)
        if field.kind == "tables":
            offsets = self._vector(start, "uint32", path)
            self._spend(offsets.nbytes, path)
            first = start + 4
            return [
                self._table(field.of, first + 4 * i + offset, f"{path}[{i}]")
                for i, offset in enumerate(offsets.tolist())
            ]
        vector = self._vector(start, field.of, path)
        if field.kind == "bytes":
            return vector
        self._spend(vector.nbytes, path)
        if field.kind == "vector":
            return vector
        try:
            return vector.tobytes().decode()
        except UnicodeDecodeError as error:
            raise self._error(path, f"not UTF-8: {error.reason} at byte {error.start}") from None

    def _vector(self, start: int, of: str, path: str) -> np.ndarray:
        dtype = _VECTORS[of]
        self._require(start, 4, 4, path)
        (count,) = _UOFFSET.unpack_from(self._data, start)
        # In vectors of 8-byte entries, the entries are aligned, not the count.
        self._require(start + 4, count * dtype.itemsize, dtype.itemsize, path)
        return np.frombuffer(self._data, dtype, count, start + 4)
