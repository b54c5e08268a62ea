"""A depthwise convolution over a whole image as a 1x1 convolution in groups, one for each channel.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import flatten_depthwise
>>> flatten_depthwise(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
1

Face networks end in one of 7x7 (MobileFaceNet, arXiv 1804.07573, section 3.1). XNNPACK's kernels for depthwise
convolutions have up to 25 taps, and larger ones are computed one channel and one tap at a time: a thousandth of
MobileFaceNet's multiply-adds took a third of its time where XNNPACK uses AMX, and a twentieth without. With rows and
columns transposed behind the channels, the taps of a channel lie side by side: RESHAPE, TRANSPOSE, RESHAPE, and one
product of 49 for each channel. The same sums, rescaled in the same way.
"""

import math

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor
from seesaw_keras.tflite.passes.graph import Links, set_constant, substitute, sweep

__all__ = ["flatten_depthwise"]

_MOST_TAPS = 25  # of XNNPACK's depthwise kernels
_VERSION = 6  # of CONV_2D with groups


def flatten_depthwise(graph: Subgraph) -> int:
    """Replaces depthwise convolutions of more than 25 taps that put out one pixel.

    Args:
        graph: changed in place.

    Returns:
        How many were replaced.
    """
    return sum(_flatten(graph, operator) for operator in list(graph.operators) if operator.code == "DEPTHWISE_CONV_2D")


def _flatten(graph: Subgraph, depthwise: Operator) -> bool:
    given, weights = depthwise.inputs[:2]
    made = depthwise.outputs[0]
    stored = Links(graph).constant(depthwise, 1)
    if given is None or weights is None or stored is None or stored.data is None:
        return False
    # Of the same shape: one filter a channel, one pixel out of all, without padding in any padding mode.
    one_pixel = given.shape == weights.shape and math.prod(made.shape[:-1]) == 1 and not given.shape_signature
    options = depthwise.options
    plain = options["dilation_h_factor"] == options["dilation_w_factor"] == 1 and options["padding"] == "VALID"
    taps, channels = math.prod(given.shape[1:3]), given.shape[3]
    if not one_pixel or not plain or taps <= _MOST_TAPS or given.type != weights.type:
        return False
    rows, columns, flat = (
        Tensor(f"{made.name}/{part}", shape, given.type, given.quantization)
        for part, shape in (
            ("pixels", (taps, channels)),
            ("transposed", (channels, taps)),
            ("flat", (1, 1, 1, taps * channels)),
        )
    )
    grouped = Operator(
        "CONV_2D",
        [flat, *depthwise.inputs[1:]],
        [made],
        {"padding": "VALID", "fused_activation_function": options["fused_activation_function"]},
        _VERSION,
    )
    substitute(
        graph,
        depthwise,
        [_reshape(given, rows), _transpose(rows, columns), _reshape(columns, flat), grouped],
    )
    quantization = stored.quantization
    if quantization is not None:
        quantization = Quantization(quantization.scales, quantization.zero_points, 0)
    data = np.ascontiguousarray(stored.data.reshape(taps, channels).T).reshape(channels, 1, 1, taps)
    set_constant(graph, grouped, 1, data, quantization)
    sweep(graph)
    return True


def _reshape(given: Tensor, made: Tensor) -> Operator:
    shape = Tensor.constant(f"{made.name}/shape", np.array(made.shape, np.int32))
    return Operator("RESHAPE", [given, shape], [made], {"new_shape": made.shape})


def _transpose(given: Tensor, made: Tensor) -> Operator:
    order = Tensor.constant(f"{made.name}/permutation", np.array([1, 0], np.int32))
    return Operator("TRANSPOSE", [given, order], [made], version=2 if given.type == "INT8" else 1)
