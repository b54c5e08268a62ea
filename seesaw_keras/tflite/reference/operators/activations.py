"""RELU, RELU6, RELU_N1_TO_1, LEAKY_RELU, PRELU, LOGISTIC, TANH and HARD_SWISH.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (1, 3), "INT8", Quantization(1 / 16)), Tensor("y", (1, 3), "INT8", Quantization(1 / 256, -128))
>>> Interpreter(build(Operator("LOGISTIC", [x], [y])), "tflm").run(np.array([[[-16, 0, 16]]], np.int8))[0].tolist()
[[[-59, 0, 59]]]

All except PRELU are functions of one 8-bit integer and implemented as tables of 256 entries.
"""

import math
from collections.abc import Callable

import numpy as np

from seesaw_keras.tflite.reference.arithmetic import fixed_point_functions
from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    Floats,
    Ints,
    Multiplier,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturated,
    wrap,
)
from seesaw_keras.tflite.reference.arithmetic.tables import look_up, table_of
from seesaw_keras.tflite.reference.node import Array, Compute, Node
from seesaw_keras.tflite.reference.operators.elementwise import expand_rank

__all__ = ["hard_swish", "leaky_relu", "logistic", "prelu", "relu", "relu6", "relu_n1_to_1", "tanh"]

_INT8_MIN, _INT8_MAX = -128, 127
_INT16_MIN, _INT16_MAX = -(1 << 15), (1 << 15) - 1


def _table_kernel(node: Node, function: Callable[[Ints], Ints]) -> Compute:
    """Builds the int8 kernel for a function of one integer; its result is clamped."""
    table = np.clip(table_of(node.input(), function), _INT8_MIN, _INT8_MAX).astype(np.int8)
    return lambda x: [look_up(table, x)]


def _rectifier(node: Node, low: float, high: float) -> Compute:
    """Builds a rectifier kernel.

    int8 (ReluX in kernels/internal/reference/reference_ops.h; also TFLite Micro's RELU): rescaled to the output by a
    factor, then clamped to the quantized limits.
    """
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [np.clip(x, np.float32(low), np.float32(high))]
    factor = Multiplier.of([node.scale_for_division(node.input()) / node.scale_for_division(node.output)])
    taken, made = node.zero_point(node.input()), node.zero_point(node.output)
    least, most = node.limits((low, high))
    return _table_kernel(node, lambda x: np.clip(wrap(factor(x - taken) + made), least, most))


def relu(node: Node) -> Compute:
    """RELU."""
    return _rectifier(node, 0, np.inf)


def relu_n1_to_1(node: Node) -> Compute:
    """RELU_N1_TO_1, which TFLite Micro does not support."""
    node.require(node.flavor == "litert", "not supported by TFLite Micro")
    return _rectifier(node, -1, 1)


def relu6(node: Node) -> Compute:
    """RELU6.

    int8 in TFLite Micro: values are clamped to the integers for 0 and 6 in the input's quantization; the output's
    quantization is ignored.
    """
    if node.flavor == "litert" or node.input().type != "INT8":
        return _rectifier(node, 0, 6)
    node.type("INT8")
    zero, six = (node.integer(node.input(), real) for real in (0, 6))
    return _table_kernel(node, lambda x: np.clip(x, zero, six))


def leaky_relu(node: Node) -> Compute:
    """LEAKY_RELU.

    int8 (kernels/internal/reference/leaky_relu.h): one factor per sign. For a negative slope the factor is its
    magnitude, and the product is negated.
    """
    alpha = np.float32(node.option("alpha"))
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [np.where(x > 0, x, x * alpha)]
    taken, made = node.scale_for_division(node.input()), node.scale_for_division(node.output)
    positive, negative = Multiplier.of([taken / made]), Multiplier.of([abs(taken * alpha / made)])
    zero, out_zero = node.zero_point(node.input()), node.zero_point(node.output)
    sign = -1 if alpha < 0 else 1
    return _table_kernel(
        node, lambda x: wrap(out_zero + np.where(x >= zero, positive(x - zero), sign * negative(x - zero)))
    )


def prelu(node: Node) -> Compute:
    """PRELU.

    int8 (kernels/internal/reference/prelu.h): as LEAKY_RELU, with quantized slopes that have their own scale and zero
    point.
    """
    rank = len(node.shape())
    slopes = node.input(1)
    node.require(
        len(slopes.shape) <= rank, f"slopes of shape {slopes.shape} do not match the input shape {node.shape()}"
    )
    if node.type("INT8", "FLOAT32", inputs=2) == "FLOAT32":
        return lambda x, a: [np.where(x >= 0, x, x * expand_rank(a, rank))]
    taken, slope, made = (node.scale_for_division(tensor) for tensor in (node.input(), slopes, node.output))
    positive, negative = Multiplier.of([taken / made]), Multiplier.of([taken * slope / made])
    zero, slope_zero, out_zero = (node.zero_point(tensor) for tensor in (node.input(), slopes, node.output))
    kept = table_of(node.input(), lambda x: positive(np.maximum(x - zero, 0)))
    below = table_of(node.input(), lambda x: np.minimum(x - zero, 0))

    def compute(x: Array, a: Array) -> list[Array]:
        products = look_up(below, x) * expand_rank(a.astype(np.int64) - slope_zero, rank)
        values = np.where(x >= zero, look_up(kept, x), negative(products))
        return [saturated(values, out_zero, _INT8_MIN, _INT8_MAX)]

    return compute


def _float_table(node: Node, function: Callable[[Floats], Floats]) -> Compute:
    """Builds LiteRT's int8 kernel for a real function: a table computed in float32 (LUTPopulate in common.h)."""
    scale, inverse = node.scale(node.input()), np.float32(1) / node.scale(node.output)
    zero, out_zero = node.zero_point(node.input()), np.float32(node.zero_point(node.output))

    def integers(x: Ints) -> Ints:
        made = function(scale * (x - zero).astype(np.float32))
        return (round_half_away(made * inverse) + out_zero).astype(np.int64)

    return _table_kernel(node, integers)


def _in_q4(node: Node, function: Callable[[Ints], Ints], bits: int, zero_point: int) -> Compute:
    """Builds TFLite Micro's int8 kernel for a function from Q4 to Q0.

    Args:
        node: node with one input.
        function: function of integers.
        bits: fractional bits of the output: its scale is 1 / 2**bits, regardless of the file.
        zero_point: zero point of the output.
    """
    fraction, shift = math.frexp(float(node.scale(node.input())) * (1 << 27))
    node.require(shift >= 0, f"unsupported input scale {node.scale(node.input())}")
    multiplier = Multiplier.of_integers(int(fraction * (1 << 31)), min(shift, 31))
    radius = (15 << 27) >> shift  # inputs of at least this magnitude saturate
    zero = node.zero_point(node.input())

    def integers(x: Ints) -> Ints:
        x = x - zero
        inner = multiplier(np.clip(x, -radius, radius))
        values = rounding_divide_by_pot(function(inner), 31 - bits) + zero_point
        return np.where(x <= -radius, _INT8_MIN, np.where(x >= radius, _INT8_MAX, values))

    return _table_kernel(node, integers)


def _exp(x: Floats) -> Floats:
    """Float32 exp, correctly rounded except for some ties, as in the C library; NumPy's float32 exp is not."""
    with np.errstate(over="ignore"):
        return np.exp(x.astype(np.float64)).astype(np.float32)


def _logistic(x: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + _exp(-x))


def _tanh(x: Floats) -> Floats:
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def logistic(node: Node) -> Compute:
    """LOGISTIC.

    int8: LiteRT uses a table of the real function, rounded once; TFLite Micro computes it in fixed point
    (integer_ops/logistic.h), which differs near ties. The output's scale is 1/256 in both.
    """
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [_logistic(x)]
    node.require(node.scale(node.output) == 1 / 256, f"the output's scale is {node.scale(node.output)}, expected 1/256")
    if node.flavor == "litert":
        return _float_table(node, _logistic)
    node.require(
        node.zero_point(node.output) == -128,
        f"the output's zero point is {node.zero_point(node.output)}, expected -128",
    )
    return _in_q4(node, fixed_point_functions.logistic, 8, -128)


def tanh(node: Node) -> Compute:
    """TANH.

    int8: see LOGISTIC (integer_ops/tanh.h). TFLite Micro's output has scale 1/128 and zero point 0.
    """
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [_tanh(x)]
    if node.flavor == "litert":
        return _float_table(node, _tanh)
    unit = node.scale(node.output) == 1 / 128 and node.zero_point(node.output) == 0
    node.require(unit, "the output must have scale 1/128 and zero point 0")
    return _in_q4(node, fixed_point_functions.tanh, 7, 0)


def hard_swish(node: Node) -> Compute:
    """HARD_SWISH: x * min(max(x + 3, 0), 6) / 6.

    int8 (kernels/internal/reference/hard_swish.h): in 16 bits; the input is multiplied by 128 to use most of them.
    """
    if node.type("INT8", "FLOAT32") == "FLOAT32":
        return lambda x: [x * np.clip(x + np.float32(3), 0, 6) / np.float32(6)]
    hires = node.scale_for_division(node.input()) / 128
    to_output, output_shift = _in_16_bits(hires / node.scale_for_division(node.output))
    to_gate, gate_shift = _in_16_bits(hires / (np.float32(3) / np.float32(1 << 15)))
    node.require(-15 <= output_shift <= 0, f"unsupported ratio of input to output scale: 2**{7 + output_shift}")
    node.require(-15 <= gate_shift <= 31, f"unsupported input scale {node.scale(node.input())}")
    zero, out_zero = node.zero_point(node.input()), node.zero_point(node.output)

    def integers(x: Ints) -> Ints:
        x = (x - zero) << 7
        # Maps x from [-3, 3] to [0, 1] in Q15. Saturation in the last bit of a left shift gives the correct value.
        gate = _clamped_16(x << max(gate_shift - 1, 0))
        gate = _high_mul_16(gate, to_gate)
        gate = _clamped_16(gate << 1) if gate_shift > 0 else rounding_divide_by_pot(gate, -gate_shift)
        gate = (gate + (1 << 15)) >> 1
        product = gate * _high_mul_16(x, to_output)
        high = np.sign(product) * (np.abs(product) >> 15)  # toward zero, to cancel the bias of the other roundings
        return (rounding_divide_by_pot(high, -output_shift) + out_zero).astype(np.int16).astype(np.int64)

    return _table_kernel(node, integers)


def _in_16_bits(factor: np.floating) -> tuple[int, int]:
    """The 16-bit M and the shift of a factor: M / 2**15 * 2**shift."""
    multiplier, shift = quantize_multiplier(float(factor))
    return min((multiplier + (1 << 15)) >> 16, _INT16_MAX), shift


def _high_mul_16(values: Ints, multiplier: int) -> Ints:
    """16-bit SaturatingRoundingDoublingHighMul."""
    return (values * multiplier + (1 << 14)) >> 15


def _clamped_16(values: Ints) -> Ints:
    return np.clip(values, _INT16_MIN, _INT16_MAX)
