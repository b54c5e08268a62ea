"""FULLY_CONNECTED.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.reference import Interpreter
>>> head = flatbuffer.read("head_int8.tflite")  # doctest: +SKIP
>>> device, desktop = Interpreter(head, "tflm"), Interpreter(head, "litert")  # doctest: +SKIP

int8 (kernels/internal/reference/integer_ops/fully_connected.h): sums as in a convolution. The rescaling differs between
the runtimes, occasionally by one output step, where the product is close to a tie:

- LiteRT's reference kernel multiplies the sum by the real factor in float64 and rounds once, ties away from zero.
- TFLite Micro multiplies by the factor in fixed point, which rounds twice.
"""

import math

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    Floats,
    Ints,
    Multiplier,
    Rescaling,
    round_half_away,
    to_int32,
)
from seesaw_keras.tflite.reference.node import Array, Compute, Node
from seesaw_keras.tflite.reference.operators.convolution import Product, float_product, integer_product

__all__ = ["fully_connected"]


def fully_connected(node: Node) -> Compute:
    """FULLY_CONNECTED: a matrix product over the last axis, or over all axes except the first."""
    weights = node.input(1)
    kind = node.type("INT8", "FLOAT32")
    node.require(weights.type == kind, f"{weights.type} weights with {kind} input are not supported")
    node.require(len(node.shape(1)) == 2, f"unsupported weights shape {node.shape(1)}")
    node.require(node.option("weights_format") == "DEFAULT", "shuffled weights are not supported")
    made, taken = node.shape(1)
    node.require(
        bool(taken) and math.prod(node.shape()) % taken == 0,
        f"input shape {node.shape()} does not match {taken} weights per output",
    )
    kept = node.shape()[:-1] if node.option("keep_num_dims") else (math.prod(node.shape()) // taken,)

    def product(weights: Array) -> Product:
        def multiply(x: Floats) -> Floats:
            return (x.reshape(-1, taken) @ weights.T).reshape(len(x), *kept, made)

        return multiply

    if kind == "FLOAT32":
        return float_product(node, product)
    return integer_product(node, 0, _rescaling(node), product)


def _rescaling(node: Node) -> Rescaling:
    weights = node.input(1).quantization
    assert weights is not None
    taken, made = np.float64(node.scale(node.input())), np.float64(node.scale(node.output))
    factors = taken * weights.scales.astype(np.float64) / made
    return Multiplier.of(factors) if node.flavor == "tflm" else _rounded_once(factors)


def _rounded_once(factors: Floats) -> Rescaling:
    def rescale(sums: Ints) -> Ints:
        return to_int32(round_half_away(sums * factors))

    return rescale
