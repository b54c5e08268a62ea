"""Regions: sets of tensors that share a channel order, and the edits that change it.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.graph_index import GraphIndex
>>> from seesaw_keras.tflite.passes.regions import region_around
>>> graph_index = GraphIndex(flatbuffer.read("shuffle_int8.tflite").main)  # doctest: +SKIP
>>> region = region_around(graph_index, graph_index.graph.operators[1].outputs[0])  # doctest: +SKIP
>>> [operator.code for operator in region.operators]  # doctest: +SKIP
['LOGISTIC', 'MUL', 'DEPTHWISE_CONV_2D', 'LOGISTIC', 'MUL']

Changing the channel order in all tensors of a region, and in all constants with per-channel entries, leaves the result
unchanged if the convolutions around the region absorb the change into their weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.channels import Edit, Order, channel_constants, channel_slices, columns, rows
from seesaw_keras.tflite.passes.graph_index import GraphIndex

__all__ = ["Region", "permutation", "region_around"]


@dataclass
class Region:
    """Tensors with the same channels in the same order, connected by the operators between them.

    Attributes:
        tensors: computed tensors of the region.
        operators: operators between them, in execution order.
        sources: other operators that produce one of the tensors, in execution order.
        sinks: other operators that consume one, in execution order.
        is_open: whether one of the tensors is visible outside the graph.
    """

    tensors: set[Tensor]
    operators: list[Operator]
    sources: list[Operator]
    sinks: list[Operator]
    is_open: bool


def region_around(
    graph_index: GraphIndex, start: Tensor, inside: Callable[[Operator], bool] | None = None
) -> Region | None:
    """Returns the largest region around a tensor.

    Args:
        graph_index: index of the graph.
        start: a computed tensor.
        inside: predicate for operators that belong to a region; by default all channelwise ones.

    Returns:
        None if the region reaches a graph input.
    """
    inside = inside or (lambda operator: channel_constants(graph_index, operator) is not None)
    channels = start.shape[-1]
    tensors: set[Tensor] = set()
    operators: set[Operator] = set()
    waiting = [start]
    while waiting:
        tensor = waiting.pop()
        if tensor in tensors:
            continue
        if tensor not in graph_index.producers:
            return None
        tensors.add(tensor)
        for operator in (graph_index.producers[tensor], *graph_index.consumers[tensor]):
            if operator not in operators and inside(operator) and operator.outputs[0].shape[-1:] == (channels,):
                operators.add(operator)
                values = [t for index, t in enumerate(operator.inputs) if graph_index.constant(operator, index) is None]
                ends = (t for t in [*values, *operator.outputs] if t is not None)
                waiting += [t for t in ends if t.shape[-1:] == (channels,)]
    order = graph_index.graph.operators
    return Region(
        tensors,
        [o for o in order if o in operators],
        [o for o in order if o not in operators and not tensors.isdisjoint(o.outputs)],
        [o for o in order if o not in operators and any(t in tensors for t in o.inputs if t is not None)],
        any(graph_index.is_open(tensor) for tensor in tensors),
    )


def permutation(graph_index: GraphIndex, region: Region, order: Order, given: set[Operator]) -> list[Edit] | None:
    """Returns the edits that permute the channels of a region.

    Args:
        graph_index: index of the graph.
        region: a region of the graph.
        order: for each new channel position, the index of the old channel.
        given: operators that need no edit, because the caller handles them.

    Returns:
        None if an operator around the region cannot absorb the permutation, or a tensor is visible outside the graph.
    """
    if region.is_open:
        return None
    edits: list[Edit] = []
    for operator in region.operators:
        constants = channel_constants(graph_index, operator)
        assert constants is not None
        if any(graph_index.constant(operator, index) is None for index in constants):
            return None
        edits += [(operator, index, axis, order) for index, axis in constants.items()]
    outside = [rows(graph_index, o, order) for o in region.sources if o not in given]
    for operator in region.sinks:
        if operator in given:
            continue
        slices = channel_slices(graph_index, operator)
        outside.append(
            columns(graph_index, operator, order) if slices is None else _sliced(graph_index, operator, slices, order)
        )
    for some in outside:
        if some is None:
            return None
        edits += some
    once = {(operator, index, axis) for operator, index, axis, _ in edits}
    return edits if len(once) == len(edits) else None


def _sliced(
    graph_index: GraphIndex, operator: Operator, slices: list[tuple[Tensor, int, int]], order: Order
) -> list[Edit] | None:
    """The edits for consumers of slices, for an order that does not mix channels across the slices' bounds."""
    edits: list[Edit] = []
    for tensor, begin, end in slices:
        part = order[begin:end] - begin
        if not np.array_equal(np.sort(part), np.arange(end - begin)):
            return None
        if np.array_equal(part, np.arange(end - begin)):
            continue
        region = region_around(graph_index, tensor)
        some = None if region is None else permutation(graph_index, region, part, {operator})
        if some is None:
            return None
        edits += some
    return edits
