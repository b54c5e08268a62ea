"""MEAN and SUM.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (1, 4), "INT8", Quantization(0.5)), Tensor("y", (1,), "INT8", Quantization(0.25))
>>> axes = Tensor.constant("axes", np.array([1], np.int32))
>>> Interpreter(build(Operator("MEAN", [x, axes], [y]))).run(np.array([[[1, 2, 3, 5]]], np.int8))[0].tolist()
[[6]]
"""

import math

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import Multiplier, quantize_multiplier, saturated
from seesaw_keras.tflite.reference.node import Array, Compute, Node

__all__ = ["mean", "sum_"]


def _axes(node: Node) -> tuple[int, ...]:
    """The axes to reduce, including the batch axis in the count."""
    rank = len(node.shape())
    return tuple(sorted({1 + node.axis(axis, rank) for axis in node.numbers(1)}))


def _reduction(node: Node, mean: bool) -> Compute:
    """MEAN and SUM.

    int8 (QuantizedMeanOrSum in kernels/internal/reference/reduce.h): the sum minus the zero points, times a factor; for
    a mean, the integer M of that factor is divided by the count.
    """
    kind, axes, kept = node.type("INT8", "FLOAT32"), _axes(node), node.option("keep_dims")
    count = math.prod(node.shape()[axis - 1] for axis in axes)
    node.require(count > 0, f"the reduced axes of {node.shape()} have no entries")
    if kind == "FLOAT32":
        divisor = count if mean else 1
        return lambda x, _: [(x.sum(axes, np.float64, keepdims=kept) / divisor).astype(np.float32)]
    node.require(count < 1 << 23, f"sums of {count} entries may overflow int32")
    multiplier, shift = quantize_multiplier(np.float64(node.scale(node.input())) / np.float64(node.scale(node.output)))
    if mean:
        share = min(count.bit_length() - 1, 31 + shift)
        multiplier, shift = (multiplier << share) // count, shift - share
    factor = Multiplier.of_integers(multiplier, shift)
    zero, out_zero = node.zero_point(node.input()), node.zero_point(node.output)
    # LiteRT's reference kernel for SUM reads and writes INT8 as UINT8 (kernels/reduce.cc).
    dtype = np.dtype(np.int8 if mean or node.flavor == "tflm" else np.uint8)
    info = np.iinfo(dtype)

    def compute(x: Array, _: Array) -> list[Array]:
        sums = x.view(dtype).sum(axes, np.int64, keepdims=kept) - zero * count
        return [saturated(factor(sums), out_zero, info.min, info.max, dtype).view(np.int8)]

    return compute


def mean(node: Node) -> Compute:
    """MEAN; see `_reduction`."""
    return _reduction(node, mean=True)


def sum_(node: Node) -> Compute:
    """SUM; see `_reduction`.

    int8 is incorrect in LiteRT's reference kernels: -1 is read as 255, and results are clamped to 0 to 255 before their
    bytes are read as int8. This is reproduced here; TFLite Micro's result is correct.
    """
    return _reduction(node, mean=False)
