"""Converts a file's tables to a `Model`: indices become object references, bytes become arrays.

>>> from seesaw_keras.tflite.flatbuffer import read
>>> model = read("shuffle.tflite")  # doctest: +SKIP
>>> [(tensor.name, tensor.shape, tensor.type) for tensor in model.main.inputs]  # doctest: +SKIP
[('image', (1, 112, 112, 3), 'INT8')]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seesaw_keras.tflite.flatbuffer.decoding import decode
from seesaw_keras.tflite.flatbuffer.model import (
    FlatbufferError,
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
)
from seesaw_keras.tflite.flatbuffer.schema import ENUMS, options_type
from seesaw_keras.tflite.flatbuffer.verifier import verify, verify_shape

__all__ = ["loads", "read"]

_T = TypeVar("_T")
_MIN_OFFSET = 2  # the schema reserves offsets 0 and 1 as placeholders


def read(path: str | Path) -> Model:
    """Reads and verifies a file.

    Args:
        path: a `.tflite` file.

    Returns:
        The model. Fields that no runtime reads are dropped: the calibration's minima and maxima, and debug metadata
        indices.

    Raises:
        FlatbufferError: the file is damaged or uses an unsupported feature (see `loads`).
        OSError: the file cannot be read.
    """
    return loads(Path(path).read_bytes(), str(path))


def loads(data: bytes, name: str = "model") -> Model:
    """Reads and verifies a file's contents.

    Args:
        data: file contents.
        name: file name used in error messages.

    Returns:
        The model; its constants are read-only views of `data`.

    Raises:
        FlatbufferError: an offset, length, shape, number or string is invalid, or the file uses an unsupported feature:
            sparse tensors, blockwise quantization, StableHLO options or external buffers. The message names the file
            and the field.
    """
    model = _Reader(data, name).model()
    verify(model, name)
    return model


class _Reader:
    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._tables = decode(data, name)
        # Many tensors or records may share one buffer. Budget of bytes for buffers that are processed individually.
        self._left = 4 * len(data)
        self._buffers = [self._buffer(table, f"buffers[{i}]") for i, table in enumerate(self._tables["buffers"])]

    def _error(self, path: str, problem: str) -> FlatbufferError:
        return FlatbufferError(f"{self._name}: {path}: {problem}; the file is damaged")

    def _at(self, things: Sequence[_T], number: int, path: str) -> _T:
        """Returns the element at that index; raises FlatbufferError if it is out of range."""
        if not 0 <= number < len(things):
            raise self._error(path, f"index {number} is out of range for {len(things)} entries")
        return things[number]

    def model(self) -> Model:
        tables = self._tables
        if tables["version"] != 3:
            raise self._error("version", f"expected 3, got {tables['version']}")
        if self._buffers and self._buffers[0].size:
            raise self._error("buffers[0]", "not empty, although tensors without data refer to it")
        subgraphs = [self._subgraph(table, f"subgraphs[{i}]") for i, table in enumerate(tables["subgraphs"])]
        signatures = [
            self._signature(table, subgraphs, f"signature_defs[{i}]")
            for i, table in enumerate(tables["signature_defs"])
        ]
        return Model(subgraphs, signatures, self._metadata(), tables["description"])

    def _buffer(self, table: dict[str, Any], path: str) -> np.ndarray:
        """Returns a buffer's bytes; in files over 2 GB they may follow the flatbuffer."""
        offset, size = table["offset"], table["size"]
        if offset < _MIN_OFFSET:
            return np.asarray(table["data"], np.uint8)
        if offset + size > len(self._data):
            raise self._error(path, f"{size} bytes at {offset} are outside the file of {len(self._data)} bytes")
        return np.frombuffer(self._data, np.uint8, size, offset)

    def _metadata(self) -> dict[str, bytes]:
        metadata: dict[str, bytes] = {}
        for i, table in enumerate(self._tables["metadata"]):
            path = f"metadata[{i}]"
            buffer = self._at(self._buffers, table["buffer"], f"{path}.buffer")
            self._spend(buffer.size, path)
            if table["name"] in metadata:
                raise self._error(f"{path}.name", "duplicate name")
            metadata[table["name"]] = buffer.tobytes()
        return metadata

    def _spend(self, size: int, path: str) -> None:
        self._left -= size
        if self._left < 0:
            raise self._error(path, "shared buffers expand to more than the file size")

    def _subgraph(self, table: dict[str, Any], path: str) -> Subgraph:
        tensors = [self._tensor(tensor, f"{path}.tensors[{i}]") for i, tensor in enumerate(table["tensors"])]
        subgraph = Subgraph(
            tensors,
            self._pick(tensors, table["inputs"], f"{path}.inputs"),
            self._pick(tensors, table["outputs"], f"{path}.outputs"),
            [self._operator(op, tensors, f"{path}.operators[{i}]") for i, op in enumerate(table["operators"])],
            table["name"],
        )
        computed = {*subgraph.inputs, *subgraph.producers()}
        for tensor in tensors:
            # A constant without entries has no bytes, so it looks like a computed tensor.
            if 0 in tensor.shape and not (tensor in computed or tensor.is_variable or tensor.is_packed):
                tensor.data = np.zeros(tensor.shape, tensor.dtype)
        return subgraph

    def _pick(self, tensors: list[Tensor], numbers: np.ndarray, path: str) -> list[Tensor]:
        return [self._at(tensors, number, f"{path}[{i}]") for i, number in enumerate(np.asarray(numbers).tolist())]

    def _tensor(self, table: dict[str, Any], path: str) -> Tensor:
        shape = tuple(np.asarray(table["shape"], int).tolist())
        signature = tuple(np.asarray(table["shape_signature"], int).tolist())
        tensor = Tensor(
            table["name"],
            shape,
            table["type"],
            self._quantization(table["quantization"], path),
            shape_signature=signature if signature not in ((), shape) else None,
            is_variable=table["is_variable"],
        )
        verify_shape(tensor, f"{self._name}: {path}")
        buffer = self._at(self._buffers, table["buffer"], f"{path}.buffer")
        if buffer.size:
            tensor.data = self._constant(tensor, buffer, path)
        return tensor

    def _constant(self, tensor: Tensor, buffer: np.ndarray, path: str) -> np.ndarray:
        """Converts a buffer to an array of the tensor's shape and type."""
        if tensor.type == "STRING":
            self._spend(buffer.size, path)
            return buffer
        if buffer.size != tensor.nbytes:
            raise self._error(
                f"{path}.buffer", f"{buffer.size} bytes do not match a constant {tensor.type} {tensor.shape}"
            )
        if tensor.is_packed:
            return buffer
        return np.frombuffer(buffer, tensor.dtype.newbyteorder("<")).reshape(tensor.shape)

    def _quantization(self, table: dict[str, Any] | None, path: str) -> Quantization | None:
        if table is None or len(table["scale"]) == 0:
            return None
        scales, zero_points = table["scale"], table["zero_point"]
        if len(zero_points) not in (0, 1, len(scales)):
            raise self._error(f"{path}.quantization.zero_point", f"{len(zero_points)} entries for {len(scales)} scales")
        return Quantization(scales, zero_points if len(zero_points) else 0, table["quantized_dimension"])

    def _operator(self, table: dict[str, Any], tensors: list[Tensor], path: str) -> Operator:
        code = self._at(self._tables["operator_codes"], table["opcode_index"], f"{path}.opcode_index")
        # Codes up to 127 used to be stored in a separate one-byte field.
        number = max(code["builtin_code"], code["deprecated_builtin_code"])
        name = self._at(ENUMS["BuiltinOperator"], number, f"{path}.opcode_index: builtin_code")
        chosen = table["builtin_options_type"]
        if chosen not in ("NONE", options_type(name)):
            raise self._error(f"{path}.builtin_options_type", f"unexpected {chosen} for {name}")
        options = table["builtin_options"] or {}
        inputs = np.asarray(table["inputs"]).tolist()
        return Operator(
            name,
            [None if n == -1 else self._at(tensors, n, f"{path}.inputs[{i}]") for i, n in enumerate(inputs)],
            self._pick(tensors, table["outputs"], f"{path}.outputs"),
            {key: tuple(v.tolist()) if isinstance(v, np.ndarray) else v for key, v in options.items()},
            code["version"],
            code["custom_code"],
            np.asarray(table["custom_options"], np.uint8).tobytes(),
            tuple(np.asarray(table["mutating_variable_inputs"], bool).tolist()),
            self._pick(tensors, table["intermediates"], f"{path}.intermediates"),
        )

    def _signature(self, table: dict[str, Any], subgraphs: list[Subgraph], path: str) -> Signature:
        subgraph = self._at(subgraphs, table["subgraph_index"], f"{path}.subgraph_index")

        def named(entries: list[dict[str, Any]], side: str) -> dict[str, Tensor]:
            tensors = [
                self._at(subgraph.tensors, entry["tensor_index"], f"{path}.{side}[{i}].tensor_index")
                for i, entry in enumerate(entries)
            ]
            names = [entry["name"] for entry in entries]
            if len(set(names)) < len(names):
                raise self._error(f"{path}.{side}", "duplicate name")
            return dict(zip(names, tensors, strict=True))

        return Signature(
            table["signature_key"], named(table["inputs"], "inputs"), named(table["outputs"], "outputs"), subgraph
        )
