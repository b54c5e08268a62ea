"""Verifies a model's consistency; runs after every read and before every write.

>>> from seesaw_keras.tflite.flatbuffer import verify
>>> model.main.operators.reverse()  # doctest: +SKIP
>>> verify(model, "shuffle.tflite")  # doctest: +SKIP
Traceback (most recent call last):
FlatbufferError: shuffle.tflite: subgraphs[0].operators[0] RESHAPE: inputs[0] 'features' is not computed before it

`decoding` ensures that a file's bytes are well-formed tables; this module checks their contents. Native interpreters
trust them, and read or write out of bounds, divide by zero or recurse infinitely on invalid ones.
"""

import math
import struct
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import numpy as np

from seesaw_keras.tflite.flatbuffer.model import (
    FlatbufferError,
    Model,
    Operator,
    Quantization,
    Subgraph,
    Tensor,
)

__all__ = ["verify", "verify_shape"]

_MAX_RANK = 64  # NumPy's limit; kernels support far fewer
_MAX_BYTES = (1 << 31) - 1  # per tensor: kernels use int32 sizes
_POSITIVE = ("stride_", "dilation_", "filter_", "block_size", "depth_multiplier")
# Index of the first optional input; other kernels dereference a null pointer if an input is missing.
_OPTIONAL_FROM = {
    **dict.fromkeys(("CONV_2D", "CONV_3D", "FULLY_CONNECTED"), 2),
    **dict.fromkeys(("CONV_3D_TRANSPOSE", "SVDF", "TRANSPOSE_CONV"), 3),
    **dict.fromkeys(("BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"), 1),
    "BIDIRECTIONAL_SEQUENCE_RNN": 9,
    "CUSTOM": 0,
}
# With two inputs XNNPACK dereferences a null bias pointer; TFLite Micro does so if the bias is omitted.
_INPUTS = {"DEPTHWISE_CONV_2D": 3}
# Kernels that divide by the scales of their 8-bit inputs or outputs.
_ARITHMETIC = """
ADD AVERAGE_POOL_2D CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU FULLY_CONNECTED HARD_SWISH L2_NORMALIZATION LEAKY_RELU
LOGISTIC LOG_SOFTMAX MEAN MUL PRELU QUANTIZE RELU RELU6 RELU_N1_TO_1 RESIZE_BILINEAR SOFTMAX SQUARED_DIFFERENCE SUB SUM
TANH TRANSPOSE_CONV
"""
_NEEDS_SCALES = frozenset(_ARITHMETIC.split())
_MAX_SCALE = 2.0**100  # kernels multiply by 2^20 in float32, and abort on infinity
_MAX_SCALE_RATIO = 1 << 19  # of input to output scale: LiteRT aborts unless the multiplier times 2^20 is below 1
_INTEGERS = ("INT8", "UINT8", "INT16", "UINT16", "INT32")


def verify(model: Model, name: str = "model") -> None:
    """Checks a model's consistency.

    Args:
        model: model to check.
        name: file name used in error messages.

    Raises:
        FlatbufferError: a constant's type or shape differs from its data's; a shape is negative or too large; the
            number of scales does not match the zero points or channels, or they are out of range; an operator reads a
            tensor that is not computed before it (custom operators may), writes a tensor that is already computed or
            constant, has a stride of 0, or calls a subgraph that does not exist or that recurses; a signature
            references a tensor that is not an input or output. The message names the location.
    """
    if not model.subgraphs:
        raise FlatbufferError(f"{name}: subgraphs: empty")
    for number, subgraph in enumerate(model.subgraphs):
        _verify_subgraph(subgraph, f"{name}: subgraphs[{number}]")
    _verify_calls(model, name)
    _verify_signatures(model, name)


def _short(name: str) -> str:
    """A quoted name for messages, truncated if long."""
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


def _verify_subgraph(subgraph: Subgraph, at: str) -> None:
    known = set(subgraph.tensors)
    if len(known) < len(subgraph.tensors):
        raise FlatbufferError(f"{at}.tensors: a tensor is listed twice")
    for number, tensor in enumerate(subgraph.tensors):
        _verify_tensor(tensor, f"{at}.tensors[{number}] {_short(tensor.name)}")
    _require_known(subgraph.inputs, known, f"{at}.inputs")
    _require_known(subgraph.outputs, known, f"{at}.outputs")
    for number, tensor in enumerate(subgraph.inputs):
        if tensor.data is not None:
            raise FlatbufferError(f"{at}.inputs[{number}] {_short(tensor.name)} is a constant")
    filled = {*subgraph.inputs, *(t for t in subgraph.tensors if t.data is not None or t.is_variable)}
    for number, operator in enumerate(subgraph.operators):
        _verify_operator(operator, known, filled, f"{at}.operators[{number}] {operator.code}")
    for number, tensor in enumerate(subgraph.outputs):
        if tensor not in filled:
            raise FlatbufferError(f"{at}.outputs[{number}] {_short(tensor.name)} is not computed")


def _require_known(tensors: Iterable[Tensor | None], known: set[Tensor], at: str) -> None:
    for number, tensor in enumerate(tensors):
        if tensor is not None and tensor not in known:
            raise FlatbufferError(f"{at}[{number}] {_short(tensor.name)} is not among the subgraph's tensors")


def verify_shape(tensor: Tensor, at: str) -> None:
    """Checks that a tensor's shape is valid.

    Args:
        tensor: tensor to check.
        at: location for error messages.

    Raises:
        FlatbufferError: a dimension is negative, there are too many dimensions, or the tensor would exceed 2 GB.
    """
    shape = tensor.shape
    if len(shape) > _MAX_RANK:
        raise FlatbufferError(f"{at}: shape: {len(shape)} dimensions, more than {_MAX_RANK}")
    if min(shape, default=0) < 0:
        raise FlatbufferError(f"{at}: shape: negative dimension in {shape}")
    if math.prod(size or 1 for size in shape) * max(8, tensor.bits) > 8 * _MAX_BYTES:
        raise FlatbufferError(f"{at}: shape: {tensor.type} {shape} is larger than 2 GB")


def _verify_tensor(tensor: Tensor, at: str) -> None:
    verify_shape(tensor, at)
    free = tensor.shape_signature
    if free is not None and (
        len(free) != len(tensor.shape) or any(f not in (-1, s) for f, s in zip(free, tensor.shape, strict=True))
    ):
        raise FlatbufferError(f"{at}: shape_signature {str(free)[:80]} does not match the shape {tensor.shape}")
    if tensor.quantization is not None:
        _verify_quantization(tensor.quantization, tensor, f"{at}: quantization")
    if tensor.data is not None:
        _verify_data(tensor, tensor.data, f"{at}: data")


def _verify_quantization(quantization: Quantization, tensor: Tensor, at: str) -> None:
    scales, zero_points, axis = quantization.scales, quantization.zero_points, quantization.axis
    if len(scales) == 0 or len(zero_points) != len(scales):
        raise FlatbufferError(
            f"{at}: {len(scales)} scales and {len(zero_points)} zero points; expected equal counts of at least 1"
        )
    if not ((scales > 0) & (scales <= _MAX_SCALE)).all():
        raise FlatbufferError(f"{at}: a scale is not a positive number of at most {_MAX_SCALE:g}")
    if not 0 <= axis < max(1, len(tensor.shape)):
        raise FlatbufferError(f"{at}: axis {axis} is out of range for the shape {tensor.shape}")
    if len(scales) > 1 and (tensor.shape or (1,))[axis] != len(scales):
        raise FlatbufferError(f"{at}: {len(scales)} scales along axis {axis} do not match the shape {tensor.shape}")
    if tensor.type in _INTEGERS:
        limits = np.iinfo(tensor.dtype)
        if zero_points.min() < limits.min or zero_points.max() > limits.max:
            raise FlatbufferError(f"{at}: a zero point is out of range for {tensor.type}")


def _verify_data(tensor: Tensor, data: np.ndarray, at: str) -> None:
    if tensor.type == "STRING":
        _verify_strings(data, tensor.size, at)
        return
    if tensor.is_packed:
        matches = data.dtype == np.uint8 and data.ndim == 1 and tensor.bits and data.size == tensor.nbytes
    else:
        matches = data.dtype == tensor.dtype and data.shape == tensor.shape
    if not matches:
        raise FlatbufferError(f"{at}: {data.dtype} {data.shape} does not match {tensor.type} {tensor.shape}")


def _verify_strings(data: np.ndarray, count: int, at: str) -> None:
    """Checks a constant of strings: the count, the start of each and the end of the last as int32, then the bytes."""
    header = 4 * (count + 2)
    if data.dtype != np.uint8 or data.ndim != 1 or data.size < header:
        raise FlatbufferError(f"{at}: {data.size} bytes are too few for {count} strings")
    numbers = struct.unpack(f"<{count + 2}i", data[:header].tobytes())
    indices = numbers[1:]
    if numbers[0] != count or indices[0] != header or indices[-1] != data.size or list(indices) != sorted(indices):
        raise FlatbufferError(
            f"{at}: the offsets of its {count} strings are not ascending within its {data.size} bytes"
        )


def _verify_operator(operator: Operator, known: set[Tensor], filled: set[Tensor], at: str) -> None:
    """Checks one operator, and adds its outputs to `filled`, the tensors with a value."""
    _require_known(operator.inputs, known, f"{at}: inputs")
    _require_known(operator.outputs, known, f"{at}: outputs")
    _require_known(operator.intermediates, known, f"{at}: intermediates")
    if len(operator.inputs) < _INPUTS.get(operator.code, 0):
        raise FlatbufferError(f"{at}: expected {_INPUTS[operator.code]} inputs, got {len(operator.inputs)}")
    for number, tensor in enumerate(operator.inputs):
        if tensor is None and number < _OPTIONAL_FROM.get(operator.code, len(operator.inputs)):
            raise FlatbufferError(f"{at}: inputs[{number}] is required but omitted")
        # Custom operators, such as those of the Ethos-U compiler, take scratch memory as inputs.
        if tensor is not None and tensor not in filled and operator.code != "CUSTOM":
            raise FlatbufferError(f"{at}: inputs[{number}] {_short(tensor.name)} is not computed before this operator")
    for number, output in enumerate(operator.outputs):
        if output in filled:
            raise FlatbufferError(f"{at}: outputs[{number}] {_short(output.name)} already has a value")
        filled.add(output)
    for name, value in operator.options.items():
        if name.startswith(_POSITIVE) and value < 1:
            raise FlatbufferError(f"{at}: {name} must be at least 1, got {value}")
    if operator.code in _NEEDS_SCALES:
        _verify_scales(operator, at)
    if operator.code == "CUSTOM" and not operator.custom_code:
        raise FlatbufferError(f"{at}: custom_code is empty")
    if len(operator.mutating_variable_inputs) not in (0, len(operator.inputs)):
        raise FlatbufferError(f"{at}: mutating_variable_inputs: expected one entry per input")


def _verify_scales(operator: Operator, at: str) -> None:
    """Checks that 8-bit tensors have scales, and that the scales of a sum are within the kernels' limits."""
    scales: list[list[float]] = []
    for tensors in (operator.inputs, operator.outputs):
        scales.append([])
        for tensor in tensors:
            if tensor is None or tensor.type not in ("INT8", "UINT8"):
                continue
            if tensor.quantization is None:
                raise FlatbufferError(f"{at}: {_short(tensor.name)} is {tensor.type} without quantization")
            scales[-1].append(float(tensor.quantization.scales.max()))
    taken, made = scales
    if operator.code in ("ADD", "SUB") and taken and made and max(taken) >= _MAX_SCALE_RATIO * min(made):
        raise FlatbufferError(f"{at}: input scale {max(taken)} is too large for output scale {min(made)}")


def _called(operator: Operator) -> list[tuple[str, int]]:
    """The subgraphs that an operator calls, as (option name, subgraph index)."""
    return [
        (name, value)
        for name, value in operator.options.items()
        if name.endswith("_subgraph_index") or (operator.code, name) == ("CALL", "subgraph")
    ]


def _verify_calls(model: Model, name: str) -> None:
    """Checks that every called subgraph exists and that no call is recursive."""
    calls: dict[int, set[int]] = {}
    for number, subgraph in enumerate(model.subgraphs):
        calls[number] = set()
        for index, operator in enumerate(subgraph.operators):
            for option, called in _called(operator):
                if not 0 <= called < len(model.subgraphs):
                    at = f"{name}: subgraphs[{number}].operators[{index}] {operator.code}"
                    raise FlatbufferError(
                        f"{at}: {option} {called} is out of range for {len(model.subgraphs)} subgraphs"
                    )
                calls[number].add(called)
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        raise FlatbufferError(f"{name}: subgraphs[{error.args[1][0]}] calls itself recursively") from None


def _verify_signatures(model: Model, name: str) -> None:
    sides = {subgraph: (set(subgraph.inputs), set(subgraph.outputs)) for subgraph in model.subgraphs}
    keys: set[str] = set()
    for number, signature in enumerate(model.signatures):
        at = f"{name}: signature_defs[{number}] {_short(signature.key)}"
        if signature.key in keys:
            raise FlatbufferError(f"{at}: duplicate key")
        keys.add(signature.key)
        if signature.subgraph not in sides:
            raise FlatbufferError(f"{at}: its subgraph is not in the model")
        inputs, outputs = sides[signature.subgraph]
        for key, tensor in signature.inputs.items():
            if tensor not in inputs:
                raise FlatbufferError(f"{at}: inputs: {_short(key)} is not an input of its subgraph")
        for key, tensor in signature.outputs.items():
            if tensor not in outputs:
                raise FlatbufferError(f"{at}: outputs: {_short(key)} is not an output of its subgraph")
