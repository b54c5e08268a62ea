"""Encodes dictionaries to flatbuffer tables; equal objects are written once.

>>> from seesaw_keras.tflite.flatbuffer.encoding import encode
>>> encode({"version": 3, "description": "empty"}, "empty.tflite")[4:8]
b'TFL3'

Equal vectors, strings, vtables and whole tables (options, quantization) share one position, which is transparent to
readers. Offsets point forward, so the target of an offset must be written before the table that holds it: the file is
built from its end, and positions are counted from the end until the length is known. `decoding` describes the layout.
"""

import struct
from collections.abc import Sequence
from typing import Any

from seesaw_keras.tflite.flatbuffer.decoding import IDENTIFIER
from seesaw_keras.tflite.flatbuffer.model import FlatbufferError
from seesaw_keras.tflite.flatbuffer.schema import ENUMS, SCALARS, TABLES, Field

__all__ = ["encode"]

_BUFFER_ALIGNMENT = 16  # required by the schema; kernels load constants with vector instructions
_MAX_SIZE = (1 << 31) - 1  # offsets are uint32, but a table's offset to its vtable is int32
_OFFSET = "O"  # format code for an offset, in addition to those of struct


def encode(fields: dict[str, Any], name: str) -> bytes:
    """Encodes a root table.

    Args:
        fields: fields of the table Model, as returned by `decoding.decode`; fields that are absent, None or equal to a
            scalar's default are not stored.
        name: file name used in error messages.

    Returns:
        The file contents; deterministic.

    Raises:
        FlatbufferError: a value does not fit its field, an enumeration name is unknown, or the file would exceed 2 GB.
    """
    encoder = _Encoder(name)
    return encoder.finish(encoder.table("Model", fields, ""))


class _Encoder:
    def __init__(self, name: str) -> None:
        self._name = name
        self._pieces: list[bytes] = []  # from the end of the file to its beginning
        self._size = 0
        self._positions: dict[tuple[Any, ...], int] = {}

    def finish(self, root: int) -> bytes:
        """Writes the file header and returns the complete file."""
        self._align(8, _BUFFER_ALIGNMENT)
        size = self._size + 8
        self._push(struct.pack("<I4s", size - root, IDENTIFIER))
        return b"".join(reversed(self._pieces))

    def _push(self, piece: bytes) -> int:
        """Prepends bytes and returns their position."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _MAX_SIZE:
            raise FlatbufferError(f"{self._name}: the model would exceed 2 GB, the size limit of a flatbuffer")
        return self._size

    def _align(self, size: int, alignment: int) -> None:
        """Pads so that an object of `size` bytes, pushed next, begins at a multiple of `alignment`."""
        self._push(b"\0" * (-(self._size + size) % alignment))

    def table(self, table: str, fields: dict[str, Any], path: str) -> int:
        """Writes the targets of a table's offsets, then the table, and returns its position."""
        slots = {field.name: slot for slot, field in enumerate(TABLES[table]) if field and not field.refused}
        if unknown := fields.keys() - slots.keys():
            raise FlatbufferError(f"{self._name}: {path or table}: {table} has no field {min(unknown)!r}")
        inline: list[tuple[int, str, Any]] = []  # slot, struct format code, value or position
        for name, value in fields.items():
            field = TABLES[table][slots[name]]
            if field is None or value is None or (field.kind in ("scalar", "enum") and value == field.default):
                continue
            inner = f"{path}.{name}" if path else name
            inline.append((slots[name], *self._entry(field, value, fields, inner)))
        key = ("table", *sorted(inline))
        if key not in self._positions:
            self._positions[key] = self._write_table(inline)
        return self._positions[key]

    def _entry(self, field: Field, value: Any, fields: dict[str, Any], path: str) -> tuple[str, Any]:
        """Returns the struct format code and value of a scalar, or `_OFFSET` and the position of the written object."""
        match field.kind:
            case "scalar":
                self._pack(field.of, [value], path)
                return SCALARS[field.of], value
            case "enum":
                if value not in ENUMS[field.of]:
                    raise FlatbufferError(f"{self._name}: {path}: {value!r} is not one of {', '.join(ENUMS[field.of])}")
                return "B", ENUMS[field.of].index(value)
            case "string":
                try:
                    text = value.encode()
                except UnicodeEncodeError as error:
                    raise FlatbufferError(f"{self._name}: {path}: {error}") from None
                return _OFFSET, self._vector(len(text), text + b"\0", 4)
            case "bytes":
                return _OFFSET, self._vector(len(value), bytes(value), _BUFFER_ALIGNMENT)
            case "vector":
                size = struct.calcsize(SCALARS[field.of])
                return _OFFSET, self._vector(len(value), self._pack(field.of, value, path), max(4, size))
            case "table":
                return _OFFSET, self.table(field.of, value, path)
            case "tables":
                return _OFFSET, self._tables(field.of, value, path)
            case "union":
                return _OFFSET, self.table(fields[f"{field.name}_type"], value, path)

    def _pack(self, of: str, values: Sequence[Any], path: str) -> bytes:
        try:
            return struct.pack(f"<{len(values)}{SCALARS[of]}", *values)
        except (struct.error, OverflowError) as error:
            raise FlatbufferError(f"{self._name}: {path}: {str(values)[:80]} is not a valid {of}: {error}") from None

    def _vector(self, count: int, payload: bytes, alignment: int) -> int:
        key = ("vector", count, payload, alignment)
        if key not in self._positions:
            self._align(len(payload), alignment)
            self._push(payload)
            self._positions[key] = self._push(struct.pack("<I", count))
        return self._positions[key]

    def _tables(self, of: str, items: list[dict[str, Any]], path: str) -> int:
        # Written in reverse, so that they are in order in the file.
        indices = [self.table(of, item, f"{path}[{i}]") for i, item in reversed(list(enumerate(items)))][::-1]
        self._align(4 * len(indices), 4)
        first = self._size + 4 * len(indices)
        self._push(struct.pack(f"<{len(indices)}I", *(first - 4 * i - index for i, index in enumerate(indices))))
        return self._push(struct.pack("<I", len(indices)))

    def _write_table(self, inline: list[tuple[int, str, Any]]) -> int:
        """Writes a table, with large fields first, and its vtable unless an equal one exists."""
        distances: dict[int, int] = {}
        size = 4
        for slot, code, _ in sorted(inline, key=lambda entry: (-_width(entry[1]), entry[0])):
            size += -size % _width(code)
            distances[slot] = size
            size += _width(code)
        self._align(size, max([4, *(_width(code) for _, code, _ in inline)]))
        start = self._size + size
        slots = max(distances, default=-1) + 1
        entries = [4 + 2 * slots, size, *(distances.get(slot, 0) for slot in range(slots))]
        vtable = struct.pack(f"<{len(entries)}H", *entries)
        vtable_position = self._positions.get(("vtable", vtable), start + len(vtable))
        table = bytearray(size)
        struct.pack_into("<i", table, 0, vtable_position - start)
        for slot, code, value in inline:
            distance = distances[slot]
            if code == _OFFSET:
                struct.pack_into("<I", table, distance, start - distance - value)
            else:
                struct.pack_into(f"<{code}", table, distance, value)
        self._push(bytes(table))
        if vtable_position > start:
            self._positions["vtable", vtable] = self._push(vtable)
        return start


def _width(code: str) -> int:
    return 4 if code == _OFFSET else struct.calcsize(f"<{code}")
