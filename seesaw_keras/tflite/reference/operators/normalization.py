"""L2_NORMALIZATION and SOFTMAX, along the last axis.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (1, 2), "INT8", Quantization(0.1)), Tensor("y", (1, 2), "INT8", Quantization(1 / 128))
>>> Interpreter(build(Operator("L2_NORMALIZATION", [x], [y]))).run(np.array([[[30, -40]]], np.int8))[0].tolist()
[[[77, -102]]]
"""

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    INT32_MAX,
    Multiplier,
    doubling_high_mul,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturated,
)
from seesaw_keras.tflite.reference.arithmetic.fixed_point_functions import (
    exp_of_negative,
    inverse_square_root,
    reciprocal,
    rescale,
)
from seesaw_keras.tflite.reference.node import Array, Compute, Node

__all__ = ["l2_normalization", "softmax"]

_INT8_MIN, _INT8_MAX = -128, 127
_EPSILON = np.float32(1e-6)


def _unit_length(x: Array) -> Array:
    norm = np.sqrt((x.astype(np.float64) ** 2).sum(-1, keepdims=True)).astype(np.float32)
    return x / np.maximum(norm, _EPSILON)


def l2_normalization(node: Node) -> Compute:
    """L2_NORMALIZATION.

    int8 (kernels/internal/reference/integer_ops/l2normalization.h): the integers minus the zero point, times 128,
    divided by the root of the sum of their squares in fixed point; the output's scale is therefore 1/128.
    """
    kind = node.type("INT8", "FLOAT32")
    node.require(node.option("fused_activation_function") == "NONE", "a fused activation is not supported")
    node.require(bool(node.shape()), "scalar input is not supported")
    if kind == "FLOAT32":
        return lambda x: [_unit_length(x)]
    unit = node.scale(node.output) == 1 / 128 and node.zero_point(node.output) == 0
    node.require(unit, "the output must have scale 1/128 and zero point 0")
    node.require(node.shape()[-1] * 255**2 <= INT32_MAX, "the sum of squares may overflow int32")
    zero = node.zero_point(node.input())

    def compute(x: Array) -> list[Array]:
        values = x.astype(np.int64) - zero
        multiplier, shift = inverse_square_root((values * values).sum(-1, keepdims=True))
        scaled = Multiplier(multiplier, shift + 7)(values)
        return [saturated(scaled, 0, _INT8_MIN, _INT8_MAX)]

    return compute


def softmax(node: Node) -> Compute:
    """SOFTMAX.

    int8 (kernels/internal/reference/softmax.h): exp of the differences from the maximum in Q5, their sum in Q12, and
    its reciprocal, all in fixed point. The output's scale is 1/256, its zero point -128.
    """
    beta = float(node.option("beta"))
    node.require(
        bool(node.shape()) and node.shape()[-1] > 0, f"the input shape {node.shape()} has no entries on the last axis"
    )
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [_float_softmax(x, beta)]
    unit = node.scale(node.output) == 1 / 256 and node.zero_point(node.output) == -128
    node.require(unit, "the output must have scale 1/256 and zero point -128")
    node.require(
        node.shape()[-1] < 512, "more than 511 entries: kernels abort when the sum of exponentials reaches 512"
    )
    factor = min(beta * float(node.scale(node.input())) * (1 << 26), float(INT32_MAX))
    node.require(factor > 1, f"beta times the input scale is too small: {factor} * 2**-26")
    multiplier, shift = quantize_multiplier(factor)
    least = -((31 << 26) >> shift)  # smaller differences contribute 0
    scaled = Multiplier.of_integers(multiplier, shift)
    # Indexed by the magnitude of the difference, 0 to 255.
    powers = exp_of_negative(scaled(np.clip(-np.arange(256), least, 0)), 5)
    powers[1 - least :] = 0

    def compute(x: Array) -> list[Array]:
        values = powers[x.max(-1, keepdims=True).astype(np.int64) - x]
        sums = rescale(values, 12).sum(-1, keepdims=True)
        over, exponent = reciprocal(sums, 12)
        shares = rounding_divide_by_pot(doubling_high_mul(values, over), exponent + 31 - 8)
        return [saturated(shares, _INT8_MIN, _INT8_MIN, _INT8_MAX)]

    return compute


def _float_softmax(x: Array, beta: float) -> Array:
    powers = np.exp((x - x.max(-1, keepdims=True)).astype(np.float64) * beta)
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)
