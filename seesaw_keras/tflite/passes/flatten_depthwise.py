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
from seesaw_keras.tflite.passes.graph import Links, substitute, sweep

__all__ = ["flatten_depthwise"]

_MOST_TAPS = 25  # of XNNPACK's depthwise kernels
_VERSION = 6  # of CONV_2D with groups


def flatten_depthwise(graph: Subgraph) -> int:
    """Replaces int8 depthwise convolutions of more than 25 taps that put out one pixel; in float nothing is gained.

    Args:
        graph: changed in place.

    Returns:
        How many were replaced.
    """
    return sum(_flatten(graph, operator) for operator in list(graph.operators) if operator.code == "DEPTHWISE_CONV_2D")


def _flatten(graph: Subgraph, depthwise: Operator) -> bool:
    weights = Links(graph).constant(depthwise, 1)
    given, made = depthwise.inputs[0], depthwise.outputs[0]
    if given is None or weights is None or (given.type, weights.type) != ("INT8", "INT8"):
        return False
    assert weights.data is not None and weights.quantization is not None
    # As large as the image: one filter a channel, one pixel out of all.
    taps, channels = math.prod(given.shape[1:3]), given.shape[3]
    whole = given.shape == weights.shape and made.shape == (1, 1, 1, channels) and given.shape_signature is None
    options = depthwise.options
    plain = options["dilation_h_factor"] == options["dilation_w_factor"] == 1 and options["padding"] == "VALID"
    if not whole or not plain or taps <= _MOST_TAPS:
        return False
    data = np.ascontiguousarray(weights.data.reshape(taps, channels).T)[:, None, None]
    quantization = Quantization(weights.quantization.scales, weights.quantization.zero_points, 0)
    moves, flat = _channels_first(given, made.name, taps, channels)
    grouped = Operator(
        "CONV_2D",
        [flat, Tensor.constant(weights.name, data, quantization), *depthwise.inputs[2:]],
        [made],
        {"padding": "VALID", "fused_activation_function": options["fused_activation_function"]},
        _VERSION,
    )
    substitute(graph, depthwise, [*moves, grouped])
    sweep(graph)
    return True


def _channels_first(given: Tensor, name: str, taps: int, channels: int) -> tuple[list[Operator], Tensor]:
    """What puts the pixels of each channel side by side, as one pixel of many channels."""

    def after(step: str, *shape: int) -> Tensor:
        return Tensor(f"{name}/{step}", shape, given.type, given.quantization)

    pixels, transposed = after("pixels", taps, channels), after("transposed", channels, taps)
    flat = after("flat", 1, 1, 1, taps * channels)
    order = Tensor.constant(f"{transposed.name}/permutation", np.array([1, 0], np.int32))
    moves = [
        _reshape(given, pixels),
        Operator("TRANSPOSE", [pixels, order], [transposed], version=2),
        _reshape(transposed, flat),
    ]
    return moves, flat


def _reshape(given: Tensor, made: Tensor) -> Operator:
    shape = Tensor.constant(f"{made.name}/shape", np.array(made.shape, np.int32))
    return Operator("RESHAPE", [given, shape], [made], {"new_shape": made.shape})
