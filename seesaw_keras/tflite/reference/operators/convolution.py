"""CONV_2D and DEPTHWISE_CONV_2D.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.reference import Interpreter
>>> Interpreter(flatbuffer.read("shuffle_int8.tflite")).graph.operators[1].code  # doctest: +SKIP
'CONV_2D'

int8 (kernels/internal/reference/integer_ops/conv.h and depthwise_conv.h, the same in both runtimes): the sum over all
taps of weight * (input - zero point) in int32, plus the bias, times the channel's multiplier, plus the output's zero
point, clamped. Taps outside the image are skipped, which equals a value of 0 after subtraction of the zero point.

The sums are floating-point matrix products, which BLAS computes fast. They are exact regardless of BLAS's summation
order: every partial sum is an integer of at most max|input - zero point| * sum|weights|, and floating-point numbers
represent all integers up to 2**24 (float32) or 2**53 (float64). `accumulator` computes that bound for given weights;
8-bit sums of 2**53 would take 2**38 weights. Sums beyond int32 wrap around as in the kernel: wrapping the exact sum
equals wrapping during summation.
"""

from collections.abc import Callable

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    INT32_MAX,
    Floats,
    Ints,
    Multiplier,
    Rescaling,
    saturated,
    wrap,
)
from seesaw_keras.tflite.reference.node import Array, Compute, Node
from seesaw_keras.tflite.reference.operators.windows import Windows

__all__ = ["accumulator", "conv_2d", "depthwise_conv_2d", "float_product", "integer_product"]

Product = Callable[[Floats], Floats]
_SumType = type[np.int32] | type[np.int64]


def accumulator(weights: Array, largest: int, axis: int) -> type[np.floating]:
    """Returns the floating-point type in which sums of integer products are exact.

    Args:
        weights: integer weights.
        largest: maximum magnitude of the other factor.
        axis: output-channel axis of the weights; each entry along it has separate sums.

    Raises:
        ValueError: float64 is not sufficient.
    """
    bound = largest * _largest_sum(weights, axis)
    if bound > 2**53:
        raise ValueError(f"sums up to {bound} are not exact in float64")
    return np.float32 if bound <= 2**24 else np.float64


def _largest_sum(weights: Array, axis: int) -> int:
    magnitudes = np.abs(np.moveaxis(weights, axis, 0).astype(np.int64))
    return int(magnitudes.reshape(len(magnitudes), -1).sum(1).max(initial=0))


def integer_product(node: Node, axis: int, rescale: Rescaling, product: Callable[[Array], Product]) -> Compute:
    """Builds an int8 kernel around a product: zero points, exact sums, bias, rescaling, clamping.

    Args:
        node: node with input, weights and bias, and one output.
        axis: output-channel axis of the weights.
        rescale: function that rescales sums to the output.
        product: maps floating-point weights to the function that computes the sums of a floating-point input.
    """
    weights = _weights(node, axis)
    zero, out_zero = node.zero_point(node.input()), node.zero_point(node.output)
    low, high = node.limits()
    info = np.iinfo(node.input().dtype)
    largest = max(info.max - zero, zero - info.min)
    type = accumulator(weights, largest, axis)
    bias: Ints = np.zeros(1, np.int64) if node.optional(2) is None else node.constant(2).astype(np.int64)
    fits = largest * _largest_sum(weights, axis) + int(np.abs(bias).max(initial=0)) <= INT32_MAX
    sum_type: _SumType = np.int32 if fits else np.int64
    bias = bias.astype(sum_type)
    multiply = product(weights.astype(type))

    def compute(x: Array, *_: Array) -> list[Array]:
        sums: Ints = multiply(x.astype(type) - type(zero)).astype(sum_type)
        sums += bias
        return [saturated(rescale(sums if fits else wrap(sums)), out_zero, low, high)]

    return compute


def _weights(node: Node, axis: int) -> Array:
    """The weights minus their zero point, which is nonzero only for FULLY_CONNECTED."""
    tensor, bias = node.input(1), node.optional(2)
    node.require(bias is None or bias.type == "INT32", "the bias must be INT32")
    quantization = tensor.quantization
    if quantization is None:
        raise node.unsupported("the weights have no quantization")
    one = quantization.scales.size == 1
    node.require(one or quantization.axis == axis, f"weight scales along axis {quantization.axis} are not supported")
    movable = one and node.operator.code == "FULLY_CONNECTED"
    node.require(movable or not quantization.zero_points.any(), "weights with a nonzero zero point are not supported")
    return node.constant(1) - quantization.zero_points[0]


def float_product(node: Node, product: Callable[[Array], Product]) -> Compute:
    """Builds a float kernel around a product, summed in float64."""
    tensor = node.optional(2)
    node.require(tensor is None or tensor.type == "FLOAT32", "the bias must be FLOAT32")
    bias = np.float64(0) if tensor is None else node.constant(2).astype(np.float64)
    low, high = node.activation()
    multiply = product(node.constant(1).astype(np.float64))
    return lambda x, *_: [np.clip(multiply(x.astype(np.float64)) + bias, low, high).astype(np.float32)]


def _kernel(node: Node, axis: int, product: Callable[[Array], Product]) -> Compute:
    """Builds the kernel for the node's type."""
    weights, kind = node.input(1), node.type("INT8", "FLOAT32")
    node.require(weights.type == kind, f"{weights.type} weights with {kind} input are not supported")
    if kind == "FLOAT32":
        return float_product(node, product)
    assert weights.quantization is not None
    scales = weights.quantization.scales.astype(np.float64)
    factors = np.float64(node.scale(node.input())) * scales / np.float64(node.scale(node.output))
    return integer_product(node, axis, Multiplier.of(factors), product)


def conv_2d(node: Node) -> Compute:
    """CONV_2D, including grouped convolution if the weights have fewer channels than the input."""
    weights = node.constant(1)
    node.require(weights.ndim == 4, f"unsupported weights shape {weights.shape}")
    made, height, width, taken = weights.shape
    windows = Windows.of(node, (height, width))
    channels = node.shape()[3]
    node.require(
        bool(taken) and channels % taken == 0,
        f"{channels} input channels are not a multiple of {taken} channels per group",
    )
    groups = channels // taken
    node.require(made % groups == 0, f"{made} filters are not a multiple of {groups} groups")

    def product(weights: Array) -> Product:
        # (groups, taps and channels, filters): one matrix product per group.
        matrices = weights.reshape(groups, made // groups, -1).transpose(0, 2, 1)

        def multiply(x: Floats) -> Floats:
            images = x.reshape(-1, *x.shape[2:])
            taps = list(windows.taps(images))
            stacked = taps[0] if len(taps) == 1 else np.stack(taps, axis=3)
            rows = stacked.reshape(-1, height * width, groups, taken).transpose(2, 0, 1, 3)
            rows = rows.reshape(groups, -1, height * width * taken)
            sums = np.matmul(rows, matrices).transpose(1, 0, 2)
            return sums.reshape(*x.shape[:2], *windows.output, made)

        return multiply

    return _kernel(node, 0, product)


def depthwise_conv_2d(node: Node) -> Compute:
    """DEPTHWISE_CONV_2D: separate filters per channel."""
    weights = node.constant(1)
    node.require(weights.ndim == 4 and weights.shape[0] == 1, f"unsupported weights shape {weights.shape}")
    _, height, width, made = weights.shape
    windows = Windows.of(node, (height, width))
    channels = node.shape()[3]
    node.require(bool(channels) and made % channels == 0, f"{made} filters are not a multiple of {channels} channels")

    def product(weights: Array) -> Product:
        filters = weights.reshape(height * width, made)

        def multiply(x: Floats) -> Floats:
            images = x.reshape(-1, *x.shape[2:])
            if made > channels:
                images = np.repeat(images, made // channels, axis=3)
            sums = np.zeros((len(images), *windows.output, made), x.dtype)
            products = np.empty_like(sums)
            for tap, weight in zip(windows.taps(images), filters, strict=True):
                sums += np.multiply(tap, weight, out=products)
            return sums.reshape(*x.shape[:2], *windows.output, made)

        return multiply

    return _kernel(node, 3, product)
