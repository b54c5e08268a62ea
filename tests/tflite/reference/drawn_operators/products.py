"""Convolutions and dense layers."""

import math

import numpy as np

from drawn_operators.drawing import activation, data, image, off, scale, tie, value
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor

__all__ = ["conv_2d", "depthwise_conv_2d", "fully_connected"]


def _weights(r, shape, axis, type):
    """Weights with one scale, or one a channel."""
    if type == "FLOAT32":
        return Tensor.constant("w", data(r, shape, type))
    channels = shape[axis] if r.random() < 0.7 else 1
    middle = scale(r, 0.01)
    scales = [middle * off(r, 1, 20) for _ in range(channels)]
    return Tensor.constant("w", np.maximum(data(r, shape), -127), Quantization(scales, 0, axis if channels > 1 else 0))


def _finished(r, code, x, weights, shape, type, taps, options, with_bias=True):
    """An operator, of which input, weights and the output's shape are drawn: its scales, bias and activation."""
    fused, y_scale = activation(r)
    y = value(r, "y", shape, type, y_scale)
    version = 1
    bias = Tensor.constant("b", data(r, shape[-1], type)) if type == "FLOAT32" else None
    if type == "INT8":
        # About what sums are made of, and so their magnitude.
        zero_x, (zero_w, *_) = x.quantization.zero_point, weights.quantization.zero_points
        typical = math.hypot(74, zero_x) * float(np.hypot(weights.data.std(), weights.data.mean() - zero_w) + 1)
        typical *= math.sqrt(taps)
        x_scale = y_scale * 70 / typical / float(weights.quantization.scales.max()) * off(r, 1, 20)
        if r.random() < 1 / 4:
            x_scale = 2.0 ** round(math.log2(x_scale))
        x.quantization = Quantization(min(x_scale, 2.0**90), zero_x)
        taken = x.quantization.scale * float(weights.quantization.scales[0])
        y.quantization = Quantization(tie(r, taken, y_scale, typical), y.quantization.zero_point)
        g, largest = np.random.RandomState(r.getrandbits(32)), min(int(typical * off(r, 2, 12)), 1 << 30)
        entries = g.randint(-largest, largest + 1, shape[-1], np.int64)
        if r.random() < 0.05:  # with which sums wrap around
            entries = g.choice([(1 << 31) - 1, -(1 << 31)], shape[-1])
        unit = np.float32(x.quantization.scale) * weights.quantization.scales
        bias = Tensor.constant("b", entries.astype(np.int32), Quantization(unit))
        version = 3
    options["fused_activation_function"] = fused
    return Operator(code, [x, weights, bias if with_bias else None], [y], options, version)


def _window(r):
    """Kernel, strides and dilations; one of the latter is 1."""
    size = r.randint(1, 4), r.randint(1, 4)
    strides, dilations = (r.randint(1, 3), r.randint(1, 3)), (1, 1)
    if r.random() < 0.3:
        strides, dilations = (1, 1), (r.randint(1, 3), r.randint(1, 3))
    return size, strides, dilations


def _convolution(r, code, type, window, x, weights, taps, channels, options):
    size, strides, dilations = window
    padding = r.choice(["SAME", "VALID"])
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    made = tuple(
        -(-side // s) if padding == "SAME" else (side - e) // s + 1
        for side, s, e in zip(x.shape[1:3], strides, extent, strict=True)
    )
    options |= {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
    }
    return _finished(r, code, x, weights, (x.shape[0], *made, channels), type, taps, options)


def conv_2d(r, code, type):
    size, strides, dilations = _window(r)
    groups = r.choice([1, 1, 1, 2, 3])
    taken, made = r.randint(1, 5), r.randint(1, 5) * groups
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    x = image(r, extent, taken * groups, type)
    weights = _weights(r, (made, *size, taken), 0, type)
    return _convolution(r, code, type, (size, strides, dilations), x, weights, math.prod(size) * taken, made, {})


def depthwise_conv_2d(r, code, type):
    size, strides, dilations = _window(r)
    channels, multiplier = r.randint(1, 5), r.choice([1, 1, 2, 3])
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    x = image(r, extent, channels, type)
    made = channels * multiplier
    weights, options = _weights(r, (1, *size, made), 3, type), {"depth_multiplier": multiplier}
    return _convolution(r, code, type, (size, strides, dilations), x, weights, math.prod(size), made, options)


def fully_connected(r, code, type):
    batch, taken, made = r.randint(1, 3), r.randint(1, 40), r.randint(1, 8)
    kept = r.random() < 0.3
    x = value(r, "x", (batch, 2, taken) if kept else (batch, taken), type)
    weights = _weights(r, (made, taken), 0, type)
    if type == "INT8" and weights.quantization.scales.size == 1 and r.random() < 0.3:
        weights.quantization.zero_points[:] = r.randint(-128, 127)
    options = {"keep_num_dims": kept}
    operator = _finished(r, code, x, weights, (*x.shape[:-1], made), type, taken, options, with_bias=r.random() < 0.8)
    operator.version = 5 if type == "INT8" else 1
    return operator
