"""Writes a `Model` to a file: object references become indices, arrays become buffers; duplicates are stored once.

>>> from seesaw_keras.tflite.flatbuffer import dumps, loads
>>> dumps(loads(dumps(model))) == dumps(model)  # doctest: +SKIP
True
"""

from pathlib import Path
from typing import Any

from seesaw_keras.files import replacing
from seesaw_keras.tflite.flatbuffer.encoding import encode
from seesaw_keras.tflite.flatbuffer.model import Model, Operator, Quantization, Signature, Subgraph, Tensor
from seesaw_keras.tflite.flatbuffer.schema import ENUMS, options_type
from seesaw_keras.tflite.flatbuffer.verifier import verify

__all__ = ["dumps", "write"]

_LAST_SMALL_CODE = 127  # PLACEHOLDER_FOR_GREATER_OP_CODES, for readers from before 2020


def write(path: str | Path, model: Model) -> None:
    """Writes a model to a file atomically.

    Args:
        path: path of the `.tflite` file.
        model: model to write.

    Raises:
        FlatbufferError: the model is inconsistent (see `verify`) or larger than 2 GB.
        OSError: the file cannot be written.
    """
    data = dumps(model, str(path))
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def dumps(model: Model, name: str = "model") -> bytes:
    """Serializes a model; deterministic.

    Args:
        model: model to serialize.
        name: file name used in error messages.

    Raises:
        FlatbufferError: the model is inconsistent (see `verify`) or larger than 2 GB.
    """
    verify(model, name)
    return encode(_Writer(model).tables(), name)


class _Writer:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._buffers: dict[bytes, int] = {b"": 0}
        self._codes: dict[tuple[str, int, str], int] = {}

    def tables(self) -> dict[str, Any]:
        model = self._model
        subgraphs = [self._subgraph(subgraph) for subgraph in model.subgraphs]
        metadata = [{"name": name, "buffer": self._buffer(value)} for name, value in model.metadata.items()]
        return {
            "version": 3,
            "operator_codes": [self._code(*key) for key in self._codes],
            "subgraphs": subgraphs,
            "description": model.description or None,
            "buffers": [{"data": data or None} for data in self._buffers],
            "metadata": metadata or None,
            "signature_defs": [self._signature(signature) for signature in model.signatures] or None,
        }

    def _buffer(self, data: bytes) -> int:
        return self._buffers.setdefault(data, len(self._buffers))

    def _code(self, code: str, version: int, custom_code: str) -> dict[str, Any]:
        number = ENUMS["BuiltinOperator"].index(code)
        return {
            "deprecated_builtin_code": min(number, _LAST_SMALL_CODE),
            "custom_code": custom_code or None,
            "version": version,
            "builtin_code": number,
        }

    def _subgraph(self, subgraph: Subgraph) -> dict[str, Any]:
        numbers = {tensor: number for number, tensor in enumerate(subgraph.tensors)}
        return {
            "tensors": [self._tensor(tensor) for tensor in subgraph.tensors],
            "inputs": [numbers[tensor] for tensor in subgraph.inputs],
            "outputs": [numbers[tensor] for tensor in subgraph.outputs],
            "operators": [self._operator(operator, numbers) for operator in subgraph.operators],
            "name": subgraph.name or None,
        }

    def _tensor(self, tensor: Tensor) -> dict[str, Any]:
        data = b""
        if tensor.data is not None:
            data = tensor.data.astype(tensor.data.dtype.newbyteorder("<"), copy=False).tobytes()
        return {
            "shape": tensor.shape,
            "type": tensor.type,
            "buffer": self._buffer(data),
            "name": tensor.name or None,
            "quantization": _quantization(tensor.quantization),
            "is_variable": tensor.is_variable,
            "shape_signature": tensor.shape_signature,
            "has_rank": True,
        }

    def _operator(self, operator: Operator, numbers: dict[Tensor, int]) -> dict[str, Any]:
        options = options_type(operator.code)
        key = (operator.code, operator.version, operator.custom_code)
        return {
            "opcode_index": self._codes.setdefault(key, len(self._codes)),
            "inputs": [-1 if tensor is None else numbers[tensor] for tensor in operator.inputs],
            "outputs": [numbers[tensor] for tensor in operator.outputs],
            "builtin_options_type": options or "NONE",
            "builtin_options": {k: v or None if v in ("", ()) else v for k, v in operator.options.items()}
            if options
            else None,
            "custom_options": operator.custom_options or None,
            "mutating_variable_inputs": operator.mutating_variable_inputs or None,
            "intermediates": [numbers[tensor] for tensor in operator.intermediates] or None,
        }

    def _signature(self, signature: Signature) -> dict[str, Any]:
        numbers = {tensor: number for number, tensor in enumerate(signature.subgraph.tensors)}

        def named(tensors: dict[str, Tensor]) -> list[dict[str, Any]]:
            return [{"name": name, "tensor_index": numbers[tensor]} for name, tensor in tensors.items()]

        return {
            "inputs": named(signature.inputs),
            "outputs": named(signature.outputs),
            "signature_key": signature.key,
            "subgraph_index": self._model.subgraphs.index(signature.subgraph),
        }


def _quantization(quantization: Quantization | None) -> dict[str, Any] | None:
    if quantization is None:
        return None
    return {
        "scale": quantization.scales,
        "zero_point": quantization.zero_points,
        "quantized_dimension": quantization.axis,
    }
