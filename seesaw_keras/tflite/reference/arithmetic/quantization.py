"""QUANTIZE and DEQUANTIZE.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (1, 3), "FLOAT32"), Tensor("y", (1, 3), "INT8", Quantization(0.5, 1))
>>> Interpreter(build(Operator("QUANTIZE", [x], [y]))).run(np.array([[[-0.25, 1, 99]]], np.float32))[0].tolist()
[[[0, 3, 127]]]
"""

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    Ints,
    Multiplier,
    round_half_away,
    saturated,
    to_int32,
    wrap,
)
from seesaw_keras.tflite.reference.node import Array, Compute, Node

__all__ = ["dequantize", "quantize"]

# Input and output types of QUANTIZE in LiteRT, and the pairs that TFLite Micro does not support.
_QUANTIZED = {
    "FLOAT32": {"INT8", "UINT8", "INT16"},
    "INT8": {"INT8", "UINT8", "INT16"},
    "UINT8": {"INT8", "UINT8", "INT16"},
    "INT16": {"INT8", "INT16", "INT32"},
    "INT32": {"INT8", "INT16"},
}
_NOT_IN_TFLM = {("FLOAT32", "UINT8"), ("UINT8", "UINT8"), ("UINT8", "INT16")}


def quantize(node: Node) -> Compute:
    """QUANTIZE, from floats or from other integers.

    Floats (kernels/internal/reference/quantize.h): divided by the scale in float32, ties away from zero; values beyond
    int32 become the smallest integer. Integers (requantize.h): a fixed-point factor.
    """
    x, y = node.input(), node.output
    known = y.type in _QUANTIZED.get(x.type, ()) and (node.flavor == "litert" or (x.type, y.type) not in _NOT_IN_TFLM)
    node.require(known, f"from {x.type} to {y.type} is not supported")
    scale, zero, info = node.scale(y), node.zero_point(y), np.iinfo(y.dtype)

    def written(values: Ints) -> list[Array]:
        return [saturated(values, zero, info.min, info.max, y.dtype)]

    if x.type == "FLOAT32":
        return lambda x: written(to_int32(round_half_away(x / scale)))
    zeros = node.zero_point(x), zero
    node.require(
        x.type != "INT16" or y.type != "INT16" or not any(zeros), "INT16 with a nonzero zero point is not supported"
    )
    factor = Multiplier.of([np.float64(node.scale(x)) / np.float64(scale)])
    return lambda x: written(factor(wrap(x.astype(np.int64) - zeros[0])))


def dequantize(node: Node) -> Compute:
    """DEQUANTIZE: scale * (integer - zero point) in float64, then float32; FLOAT16 in LiteRT only."""
    x = node.input()
    node.require(node.output.type == "FLOAT32", f"to {node.output.type} is not supported")
    if x.type == "FLOAT16" and node.flavor == "litert":
        return lambda x: [x.astype(np.float32)]
    node.require(x.type in ("INT8", "UINT8", "INT16"), f"from {x.type} is not supported")
    scale, zero = np.float64(node.scale(x)), node.zero_point(x)
    return lambda x: [(scale * (x.astype(np.int64) - zero)).astype(np.float32)]
