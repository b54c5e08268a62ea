"""Convolutions and dense layers."""

import math

import numpy as np

from drawn_operators.drawing import ACTIVATIONS, data, image, scale, value
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor

__all__ = ["conv_2d", "depthwise_conv_2d", "fully_connected"]


def _weights(r, shape, axis, type):
    """Weights, and their scales: one, or one a channel."""
    if type == "FLOAT32":
        return Tensor.constant("w", data(r, shape, type)), np.ones(1)
    channels = shape[axis]
    scales = np.array([scale(r, 0.01) for _ in range(channels if r.random() < 0.7 else 1)], np.float32)
    entries = np.maximum(data(r, shape), -127)
    return Tensor.constant("w", entries, Quantization(scales, 0, axis if scales.size > 1 else 0)), scales


def _bias(r, x, scales, channels, type):
    """A bias: small, or as large as int32 allows."""
    if type == "FLOAT32":
        return Tensor.constant("b", data(r, channels, type))
    g = np.random.RandomState(r.getrandbits(32))
    largest = (1 << 31) - 1 if r.random() < 0.1 else 1 << r.randint(4, 20)
    entries = g.randint(-largest, largest, channels).astype(np.int32)
    return Tensor.constant("b", entries, Quantization(np.float32(x.quantization.scale) * scales))


def _sum_scale(r, x, scales, taps, type):
    """An output scale for sums of products, so that about the range of int8 is used, or far from that."""
    if type == "FLOAT32":
        return None
    typical = x.quantization.scale * float(scales.max()) * 70 * 70 * math.sqrt(taps) / 60
    return float(np.float32(typical * 2 ** (r.uniform(-2, 4) * r.choice([1, 1, 1, 4]))))


def _window(r):
    """Kernel, strides and dilations; one of the latter is 1."""
    size = r.randint(1, 4), r.randint(1, 4)
    strides, dilations = (r.randint(1, 3), r.randint(1, 3)), (1, 1)
    if r.random() < 0.3:
        strides, dilations = (1, 1), (r.randint(1, 3), r.randint(1, 3))
    return size, strides, dilations


def _convolution(r, code, type, size, strides, dilations, x, weights, scales, channels, multiplier=None):
    padding = r.choice(["SAME", "VALID"])
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    made = tuple(
        -(-side // s) if padding == "SAME" else (side - e) // s + 1
        for side, s, e in zip(x.shape[1:3], strides, extent, strict=True)
    )
    y_scale = _sum_scale(r, x, scales, math.prod(size) * weights.shape[3], type)
    y = value(r, "y", (x.shape[0], *made, channels), type, y_scale)
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
        "fused_activation_function": r.choice(ACTIVATIONS),
    }
    if multiplier:
        options["depth_multiplier"] = multiplier
    inputs = [x, weights, _bias(r, x, scales, channels, type)]
    return Operator(code, inputs, [y], options, 3 if type == "INT8" else 1)


def conv_2d(r, code, type):
    size, strides, dilations = _window(r)
    groups = r.choice([1, 1, 1, 2, 3])
    taken, made = r.randint(1, 5), r.randint(1, 5) * groups
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    x = image(r, extent, taken * groups, type)
    weights, scales = _weights(r, (made, *size, taken), 0, type)
    return _convolution(r, code, type, size, strides, dilations, x, weights, scales, made)


def depthwise_conv_2d(r, code, type):
    size, strides, dilations = _window(r)
    channels, multiplier = r.randint(1, 5), r.choice([1, 1, 2, 3])
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    x = image(r, extent, channels, type)
    weights, scales = _weights(r, (1, *size, channels * multiplier), 3, type)
    made = channels * multiplier
    return _convolution(r, code, type, size, strides, dilations, x, weights, scales, made, multiplier)


def fully_connected(r, code, type):
    batch, taken, made = r.randint(1, 3), r.randint(1, 40), r.randint(1, 8)
    kept = r.random() < 0.3
    x = value(r, "x", (batch, 2, taken) if kept else (batch, taken), type)
    weights, scales = _weights(r, (made, taken), 0, type)
    if type == "INT8" and scales.size == 1 and r.random() < 0.3:
        weights.quantization.zero_points[:] = r.randint(-128, 127)
    y = value(r, "y", (*x.shape[:-1], made), type, _sum_scale(r, x, scales, taken, type))
    bias = _bias(r, x, scales, made, type) if r.random() < 0.8 else None
    options = {"fused_activation_function": r.choice(ACTIVATIONS), "keep_num_dims": kept}
    return Operator(code, [x, weights, bias], [y], options, 5 if type == "INT8" else 1)
