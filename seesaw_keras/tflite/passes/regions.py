"""Tensors that share the order of their channels, and what it takes to change it.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.graph_index import Links
>>> from seesaw_keras.tflite.passes.regions import region_around
>>> links = Links(flatbuffer.read("shuffle_int8.tflite").main)  # doctest: +SKIP
>>> region = region_around(links, links.graph.operators[1].outputs[0])  # doctest: +SKIP
>>> [operator.code for operator in region.operators]  # doctest: +SKIP
['LOGISTIC', 'MUL', 'DEPTHWISE_CONV_2D', 'LOGISTIC', 'MUL']

Whoever changes the order in all tensors of a region together, and in the constants that have an entry a channel, has
changed nothing, as long as the convolutions around it take the change up into their weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.channels import Edit, Order, channel_constants, channel_slices, columns, rows
from seesaw_keras.tflite.passes.graph_index import Links

__all__ = ["Region", "permutation", "region_around"]


@dataclass
class Region:
    """Tensors with the same channels in the same order, as far as operators between them show.

    Attributes:
        tensors: computed ones.
        operators: between them, in the order of execution.
        sources: the other operators that make one of the tensors, likewise.
        sinks: the other operators that take one, likewise.
        is_open: whether a tensor is also seen from outside of the graph.
    """

    tensors: set[Tensor]
    operators: list[Operator]
    sources: list[Operator]
    sinks: list[Operator]
    is_open: bool


def region_around(links: Links, start: Tensor, inside: Callable[[Operator], bool] | None = None) -> Region | None:
    """Returns the largest region around a tensor.

    Args:
        links: of the graph.
        start: a tensor that an operator computes.
        inside: which operators belong to a region; by default all channelwise ones.

    Returns:
        None if the region reaches an input of the graph.
    """
    inside = inside or (lambda operator: channel_constants(links, operator) is not None)
    channels = start.shape[-1]
    tensors: set[Tensor] = set()
    operators: set[Operator] = set()
    waiting = [start]
    while waiting:
        tensor = waiting.pop()
        if tensor in tensors:
            continue
        if tensor not in links.producers:
            return None
        tensors.add(tensor)
        for operator in (links.producers[tensor], *links.consumers[tensor]):
            if operator not in operators and inside(operator) and operator.outputs[0].shape[-1:] == (channels,):
                operators.add(operator)
                values = [t for place, t in enumerate(operator.inputs) if links.constant(operator, place) is None]
                ends = (t for t in [*values, *operator.outputs] if t is not None)
                waiting += [t for t in ends if t.shape[-1:] == (channels,)]
    order = links.graph.operators
    return Region(
        tensors,
        [o for o in order if o in operators],
        [o for o in order if o not in operators and not tensors.isdisjoint(o.outputs)],
        [o for o in order if o not in operators and any(t in tensors for t in o.inputs if t is not None)],
        any(links.is_open(tensor) for tensor in tensors),
    )


def permutation(links: Links, region: Region, order: Order, given: set[Operator]) -> list[Edit] | None:
    """Returns what puts the channels of a region into another order.

    Args:
        links: of the graph.
        region: one of its regions.
        order: for each new place the channel that comes there.
        given: operators that need no edit, because their part of the change is made otherwise.

    Returns:
        None if one of the operators around the region cannot absorb the change, or someone outside sees it.
    """
    if region.is_open:
        return None
    edits: list[Edit] = []
    for operator in region.operators:
        constants = channel_constants(links, operator)
        assert constants is not None
        if any(links.constant(operator, place) is None for place in constants):
            return None
        edits += [(operator, place, axis, order) for place, axis in constants.items()]
    outside = [rows(links, o, order) for o in region.sources if o not in given]
    for operator in region.sinks:
        if operator in given:
            continue
        slices = channel_slices(links, operator)
        outside.append(columns(links, operator, order) if slices is None else _sliced(links, operator, slices, order))
    for some in outside:
        if some is None:
            return None
        edits += some
    once = {(operator, place, axis) for operator, place, axis, _ in edits}
    return edits if len(once) == len(edits) else None


def _sliced(links: Links, operator: Operator, slices: list[tuple[Tensor, int, int]], order: Order) -> list[Edit] | None:
    """Returns what an order that mixes nothing across the bounds of slices asks of those that take the slices."""
    edits: list[Edit] = []
    for tensor, begin, end in slices:
        part = order[begin:end] - begin
        if not np.array_equal(np.sort(part), np.arange(end - begin)):
            return None
        if np.array_equal(part, np.arange(end - begin)):
            continue
        region = region_around(links, tensor)
        some = None if region is None else permutation(links, region, part, {operator})
        if some is None:
            return None
        edits += some
    return edits
