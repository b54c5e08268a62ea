"""Folds channel shuffles into the weights around them.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import fold_shuffles
>>> fold_shuffles(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
15

A shuffle is RESHAPE, TRANSPOSE, RESHAPE: a channel permutation that costs two or three passes over the image. If one
convolution computes the channels, its output channels are permuted instead. If the channels are concatenated from
several convolutions (the uneven pair), that order would interleave their outputs; but the consumers do not require it.
A slice requires a set of channels, and its convolution absorbs their order into its weights. So the concatenation is
regrouped: each slice's channels are contiguous, in as few pieces as possible (`regrouping`). For the pair n, w, the
narrow projection of seesaw reads the first channels of both halves, and the wide projection the remaining ones:

    n -> n'          .-- slice -> narrow projection
    w -> w reordered |
    n -> n"          `-- slice -> wide projection          CONCATENATION: n' w n"

One small convolution becomes two, with the same number of multiply-adds, and the shuffle no longer moves data. The
depthwise convolutions, activations and squeeze-excite in between are reordered with the channels (`regions`).
"""

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Subgraph
from seesaw_keras.tflite.passes.channels import Order, channel_slices, joined_parts
from seesaw_keras.tflite.passes.graph_index import GraphIndex, redirect, remove_dead_ops, take
from seesaw_keras.tflite.passes.regions import Region, permutation, region_around
from seesaw_keras.tflite.passes.regrouping import regroup

__all__ = ["fold_shuffles"]


def fold_shuffles(graph: Subgraph) -> int:
    """Removes channel shuffles that the surrounding operators can absorb.

    Args:
        graph: modified in place.

    Returns:
        Number of removed shuffles.
    """
    return sum(_fold(graph, operator) for operator in list(graph.operators) if operator.code == "TRANSPOSE")


def _fold(graph: Subgraph, transpose: Operator) -> bool:
    graph_index = GraphIndex(graph)
    chain = _chain(graph_index, transpose)
    shuffle = _shuffle(graph_index, chain)
    given, made = chain[0].inputs[0], chain[-1].outputs[0]
    if shuffle is None or given is None or graph_index.is_open(made):
        return False
    before, after = region_around(graph_index, given), region_around(graph_index, made)
    if before is None or after is None or not before.tensors.isdisjoint(after.tensors):
        return False
    order, regrouping = shuffle, None
    joins = [operator for operator in before.sources if joined_parts(operator)]
    if joins:
        regrouping = regroup(joins[0], np.split(shuffle, _bounds(graph_index, after, shuffle.size)))
        order = regrouping.order
    edits = permutation(graph_index, before, order, {chain[0], *joins[:1]})
    # The shuffle's consumers then receive its channels in this order.
    left = np.argsort(shuffle)[order]
    more = [] if np.array_equal(left, np.arange(left.size)) else permutation(graph_index, after, left, {chain[-1]})
    if edits is None or more is None or not (regrouping is None or regrouping.is_possible(graph_index)):
        return False
    for edit in edits + more:
        take(graph, *edit)
    if regrouping is not None:
        regrouping.apply(graph)
    redirect(graph, made, given)
    remove_dead_ops(graph)
    return True


def _chain(graph_index: GraphIndex, transpose: Operator) -> list[Operator]:
    """The TRANSPOSE, with the RESHAPEs before and after it if the tensors in between have no other consumers."""
    given = transpose.inputs[0]
    before = None if given is None else graph_index.producers.get(given)
    after = graph_index.only_user(transpose.outputs[0])
    if before is not None and graph_index.only_user(before.outputs[0]) is None:
        before = None
    return [o for o in (before, transpose, after) if o is transpose or (o is not None and o.code == "RESHAPE")]


def _shuffle(graph_index: GraphIndex, chain: list[Operator]) -> Order | None:
    """The input channel of each output channel of a chain; None if it permutes anything else."""
    given, made = chain[0].inputs[0], chain[-1].outputs[0]
    if given is None or given.shape != made.shape or not given.shape or not given.size:
        return None
    numbers = np.arange(given.size).reshape(given.shape)
    for operator in chain:
        if operator.code == "RESHAPE":
            numbers = numbers.reshape(operator.outputs[0].shape)
            continue
        axes = graph_index.constant(operator, 1)
        if axes is None or axes.data is None:
            return None
        numbers = numbers.transpose(axes.data.tolist())
    pixels = numbers.reshape(-1, given.shape[-1])
    moved = pixels - np.arange(len(pixels))[:, None] * given.shape[-1]
    return moved[0] if (moved == moved[0]).all() and len(moved[0]) > 1 else None


def _bounds(graph_index: GraphIndex, region: Region, channels: int) -> list[int]:
    """Boundaries of slices within a region's channels, without the first and last channel."""
    slices = [s for operator in region.sinks for s in channel_slices(graph_index, operator) or ()]
    return sorted({bound for _, *bounds in slices for bound in bounds} - {0, channels})
