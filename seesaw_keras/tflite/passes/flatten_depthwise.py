"""A depthwise convolution over a whole image as a few products of matrices.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import flatten_depthwise
>>> flatten_depthwise(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
1

Face networks end in one of 7x7 (MobileFaceNet, arXiv 1804.07573, section 3.1). XNNPACK's kernels for depthwise
convolutions have up to 25 taps; larger ones it computes one channel and one tap at a time, a thousandth of
MobileFaceNet's multiply-adds in a third of its time. Here, with 512 channels in 32 groups of 16:

1. The image is transposed, (49, 512) to (512, 49): the taps of a channel lie side by side. That is also an image of
   16 pixels with 32 groups of 49 values, in which channel 32 j + g is group g of pixel j.
2. A 1x1 convolution in 32 groups has the weights of 16 channels in each. For every pixel it puts out 16 results a
   group, of which one is wanted: the j-th of pixel j, where the weights are those of the pixel's own channel.
3. The wanted ones stand in a diagonal: in row j, of 512 results, at 16 g + j. With 16 zeros appended and read in rows
   of 513, each row is shifted by one against the last, and they stand in columns 0, 16, 32, ...: two slices, and they
   are in the order of the channels.

The same sums, rescaled in the same way, and fifteen more for each that nobody reads, which cost nothing.
"""

import math

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import Links, substitute, sweep, take
from seesaw_keras.tflite.passes.layout_ops import Moves

__all__ = ["flatten_depthwise"]

_MOST_TAPS = 25  # of XNNPACK's depthwise kernels
_BLOCK = 16  # channels a group: what a matrix kernel computes at once
_GROUPED = 6  # the version of CONV_2D with groups


def flatten_depthwise(graph: Subgraph) -> int:
    """Replaces int8 depthwise convolutions of more than 25 taps that put out one pixel; in float nothing is gained.

    Args:
        graph: changed in place.

    Returns:
        How many were replaced.
    """
    return sum(_flatten(graph, operator) for operator in list(graph.operators) if operator.code == "DEPTHWISE_CONV_2D")


def _flatten(graph: Subgraph, depthwise: Operator) -> bool:
    links = Links(graph)
    weights, bias = links.constant(depthwise, 1), links.constant(depthwise, 2)
    given, made = depthwise.inputs[0], depthwise.outputs[0]
    if given is None or weights is None or bias is None or (given.type, weights.type) != ("INT8", "INT8"):
        return False
    # As large as the image: one filter a channel, one pixel out of all.
    taps, channels = math.prod(given.shape[1:3]), given.shape[3]
    whole = given.shape == weights.shape and made.shape == (1, 1, 1, channels) and given.shape_signature is None
    options = depthwise.options
    plain = options["dilation_h_factor"] == options["dilation_w_factor"] == 1 and options["padding"] == "VALID"
    block = max(size for size in range(1, _BLOCK + 1) if channels % size == 0)
    if not whole or not plain or taps <= _MOST_TAPS or block == 1:
        return False
    before = Moves(f"{made.name}/taps")
    flat = before.transpose(before.reshape(given, taps, channels), 1, 0)
    flat = before.reshape(flat, 1, 1, block, taps * channels // block)
    products = Tensor(f"{made.name}/products", (1, 1, block, channels), made.type, made.quantization)
    grouped = Operator(
        "CONV_2D",
        [flat, _filters(weights), bias],
        [products],
        {"padding": "VALID", "fused_activation_function": options["fused_activation_function"]},
        _GROUPED,
    )
    after = _diagonal(products, made)
    substitute(graph, depthwise, [*before.operators, grouped, *after])
    order = np.arange(channels).reshape(block, -1).T.ravel()  # filter 16 g + j is that of channel 32 j + g
    take(graph, grouped, 1, 0, order)
    take(graph, grouped, 2, 0, order)
    sweep(graph)
    return True


def _filters(weights: Tensor) -> Tensor:
    """A filter of 1x1 for each channel, from the filters of a depthwise convolution."""
    assert weights.data is not None and weights.quantization is not None
    data = np.ascontiguousarray(weights.data.reshape(-1, weights.shape[3]).T)[:, None, None]
    quantization = Quantization(weights.quantization.scales, weights.quantization.zero_points, 0)
    return Tensor.constant(weights.name, data, quantization)


def _diagonal(products: Tensor, made: Tensor) -> list[Operator]:
    """What takes the wanted results out of (1, 1, block, channels) of them."""
    block, channels = products.shape[2:]
    moves = Moves(f"{made.name}/diagonal")
    shifted = moves.pad(moves.reshape(products, 1, block * channels), 0, block)
    rows = moves.cut(moves.reshape(shifted, block, channels + 1), (0, 0), (block, channels))
    groups = moves.reshape(rows, block, channels // block, block)
    moves.reshape(moves.cut(groups, (0, 0, 0), (*groups.shape[:2], 1)), *made.shape)
    moves.into(made)
    return moves.operators
