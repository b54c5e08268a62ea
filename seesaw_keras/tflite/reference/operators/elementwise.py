"""ADD, SUB, MUL, MAXIMUM, MINIMUM and ABS, with broadcasting.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y, z = (Tensor(name, (1, 2), "INT8", Quantization(scale)) for name, scale in [("x", 0.5), ("y", 0.25), ("z", 1)])
>>> adder = Interpreter(build(Operator("ADD", [x, y], [z])))
>>> adder.run(np.array([[[1, 3]]], np.int8), np.array([[[2, 3]]], np.int8))[0].tolist()
[[[1, 2]]]
"""

import math
from collections.abc import Callable

import numpy as np

from seesaw_keras.tflite.flatbuffer import Tensor
from seesaw_keras.tflite.reference.arithmetic.fixed_point import Ints, Multiplier, saturated
from seesaw_keras.tflite.reference.arithmetic.tables import look_up, table_of
from seesaw_keras.tflite.reference.node import Array, Compute, Node

__all__ = ["absolute", "add", "expand_rank", "maximum", "minimum", "multiply", "subtract"]

Binary = Callable[[Array, Array], Array]

_HEADROOM = 20  # left shift of the inputs, in bits, to preserve precision when they are rescaled


def expand_rank(array: Array, rank: int) -> Array:
    """Pads an array's shape to a rank after the batch axis, so that broadcasting does not affect the batch axis."""
    return array.reshape(len(array), *(1,) * (rank + 1 - array.ndim), *array.shape[1:])


def _binary(node: Node, function: Binary) -> Compute:
    """Builds a kernel from a function of two arrays of equal rank."""
    rank = max(len(node.shape(0)), len(node.shape(1)))
    return lambda x, y: [function(expand_rank(x, rank), expand_rank(y, rank))]


def _unquantized(node: Node, kind: str, function: Binary) -> Compute:
    """Builds the kernel for FLOAT32 or for INT32, where sums and products wrap around."""
    low, high = node.activation()
    if kind == "FLOAT32":
        return _binary(node, lambda x, y: np.clip(function(x, y), np.float32(low), np.float32(high)))
    node.require(math.isinf(low) and math.isinf(high), "a fused activation of INT32 is not supported")
    return _binary(node, function)


def _sum(node: Node, sign: int) -> Compute:
    """ADD and SUB.

    int8 (kernels/internal/reference/integer_ops/add.h, sub.h): both inputs, shifted left by 20 bits, are rescaled to
    twice the larger input scale, so that their sum fits into int32, and the sum is rescaled to the output. The factors
    are float64 in both runtimes.
    """
    kind = node.type("INT8", "FLOAT32", "INT32", inputs=2)
    if kind != "INT8":
        return _unquantized(node, kind, np.add if sign > 0 else np.subtract)
    scales = [np.float64(node.scale(node.input(index))) for index in (0, 1)]
    twice = 2 * max(scales)
    to_output = Multiplier.of([twice / ((1 << _HEADROOM) * np.float64(node.scale(node.output)))])
    node.require(to_output.shift.item() <= 0, f"an input scale exceeds {1 << (_HEADROOM - 1)} output steps")
    low, high = node.limits()
    zero = node.zero_point(node.output)

    def addends(tensor: Tensor, scale: np.floating) -> Ints:
        to_common, own = Multiplier.of([scale / twice]), node.zero_point(tensor)
        return table_of(tensor, lambda x: to_common((x - own) << _HEADROOM))

    first, second = (addends(node.input(index), scale) for index, scale in enumerate(scales))
    second = sign * second
    return _binary(
        node,
        lambda x, y: saturated(to_output(look_up(first, x) + look_up(second, y)), zero, low, high),
    )


def add(node: Node) -> Compute:
    """ADD; see `_sum`."""
    return _sum(node, 1)


def subtract(node: Node) -> Compute:
    """SUB; see `_sum`."""
    return _sum(node, -1)


def multiply(node: Node) -> Compute:
    """MUL.

    int8 (kernels/internal/reference/integer_ops/mul.h): the product of both integers minus their zero points, times a
    factor.
    """
    kind = node.type("INT8", "FLOAT32", "INT32", inputs=2)
    if kind != "INT8":
        return _unquantized(node, kind, np.multiply)
    first, second, made = (node.scale_for_division(tensor) for tensor in (node.input(0), node.input(1), node.output))
    factor = Multiplier.of([first * second / made])
    zero_x, zero_y = (np.int32(node.zero_point(node.input(index))) for index in (0, 1))
    zero, (low, high) = node.zero_point(node.output), node.limits()
    return _binary(node, lambda x, y: saturated(factor((x - zero_x) * (y - zero_y)), zero, low, high))


def _maximum_minimum(node: Node, function: Binary) -> Compute:
    """MAXIMUM and MINIMUM (kernels/internal/reference/maximum_minimum.h), applied to the integers without rescaling."""
    node.type("INT8", "FLOAT32", "INT32", inputs=2)
    return _binary(node, function)


def maximum(node: Node) -> Compute:
    """MAXIMUM."""
    return _maximum_minimum(node, np.maximum)


def minimum(node: Node) -> Compute:
    """MINIMUM."""
    return _maximum_minimum(node, np.minimum)


def absolute(node: Node) -> Compute:
    """ABS, in float."""
    node.type("FLOAT32")
    return lambda x: [np.abs(x)]
