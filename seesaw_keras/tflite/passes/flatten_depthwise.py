"""Rewrites a depthwise convolution over the whole image as matrix products.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import flatten_depthwise
>>> flatten_depthwise(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
1

Face networks end in a 7x7 depthwise convolution (MobileFaceNet, arXiv 1804.07573, section 3.1). XNNPACK's depthwise
kernels support up to 25 taps; larger ones are computed one channel and one tap at a time, so that a thousandth of
MobileFaceNet's multiply-adds takes a third of its time. The rewrite, for 512 channels in 32 groups of 16:

1. The image is transposed, (49, 512) to (512, 49), so that the taps of a channel are contiguous. This is also an image
   of 16 pixels with 32 groups of 49 values, in which channel 32 j + g is group g of pixel j.
2. A 1x1 convolution in 32 groups has the weights of 16 channels in each group. It outputs 16 results per group and
   pixel, of which one is used: the j-th of pixel j, computed with the weights of that pixel's own channel.
3. The used results form a diagonal: in row j, of 512 results, at 16 g + j. With 16 zeros appended and the data read in
   rows of 513, each row is shifted by one relative to the previous, and they are in columns 0, 16, 32, ...: two slices
   extract them, in channel order.

Sums and rescaling are identical. The fifteen unused results per channel cost nothing.
"""

import math

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import GraphIndex, remove_dead_ops, substitute, take
from seesaw_keras.tflite.passes.layout_ops import LayoutOps

__all__ = ["flatten_depthwise"]

_MAX_TAPS = 25  # limit of XNNPACK's depthwise kernels
_BLOCK = 16  # channels per group: tile width of a matrix kernel
_GROUPED = 6  # version of CONV_2D with groups


def flatten_depthwise(graph: Subgraph) -> int:
    """Replaces int8 depthwise convolutions with more than 25 taps and a single output pixel.

    Float convolutions are kept, since they would not become faster.

    Args:
        graph: modified in place.

    Returns:
        Number of replaced operators.
    """
    return sum(_flatten(graph, operator) for operator in list(graph.operators) if operator.code == "DEPTHWISE_CONV_2D")


def _flatten(graph: Subgraph, depthwise: Operator) -> bool:
    graph_index = GraphIndex(graph)
    weights, bias = graph_index.constant(depthwise, 1), graph_index.constant(depthwise, 2)
    given, made = depthwise.inputs[0], depthwise.outputs[0]
    if given is None or weights is None or bias is None or (given.type, weights.type) != ("INT8", "INT8"):
        return False
    # The kernel covers the whole image: one filter per channel, a single output pixel.
    taps, channels = math.prod(given.shape[1:3]), given.shape[3]
    whole = given.shape == weights.shape and made.shape == (1, 1, 1, channels) and given.shape_signature is None
    options = depthwise.options
    plain = options["dilation_h_factor"] == options["dilation_w_factor"] == 1 and options["padding"] == "VALID"
    block = max(size for size in range(1, _BLOCK + 1) if channels % size == 0)
    if not whole or not plain or taps <= _MAX_TAPS or block == 1:
        return False
    before = LayoutOps(f"{made.name}/taps")
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
    order = np.arange(channels).reshape(block, -1).T.ravel()  # filter 16 g + j belongs to channel 32 j + g
    take(graph, grouped, 1, 0, order)
    take(graph, grouped, 2, 0, order)
    remove_dead_ops(graph)
    return True


def _filters(weights: Tensor) -> Tensor:
    """Converts the filters of a depthwise convolution to 1x1 filters."""
    assert weights.data is not None and weights.quantization is not None
    data = np.ascontiguousarray(weights.data.reshape(-1, weights.shape[3]).T)[:, None, None]
    quantization = Quantization(weights.quantization.scales, weights.quantization.zero_points, 0)
    return Tensor.constant(weights.name, data, quantization)


def _diagonal(products: Tensor, made: Tensor) -> list[Operator]:
    """The operators that extract the used results from a (1, 1, block, channels) tensor."""
    block, channels = products.shape[2:]
    layout_ops = LayoutOps(f"{made.name}/diagonal")
    shifted = layout_ops.pad(layout_ops.reshape(products, 1, block * channels), 0, block)
    rows = layout_ops.cut(layout_ops.reshape(shifted, block, channels + 1), (0, 0), (block, channels))
    groups = layout_ops.reshape(rows, block, channels // block, block)
    layout_ops.reshape(layout_ops.cut(groups, (0, 0, 0), (*groups.shape[:2], 1)), *made.shape)
    layout_ops.into(made)
    return layout_ops.operators
