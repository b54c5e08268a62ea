"""Regroups the channels of a concatenation, using as few pieces as possible.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor
>>> from seesaw_keras.tflite.passes.regrouping import regroup
>>> n, w, joined = (Tensor(name, (1, 8, 8, size), "INT8") for name, size in (("n", 4), ("w", 6), ("joined", 10)))
>>> join = Operator("CONCATENATION", [n, w], [joined], {"axis": 3})
>>> first, rest = np.array([0, 4, 1, 5]), np.array([2, 6, 3, 7, 8, 9])
>>> [(part, places.tolist()) for part, places in regroup(join, [first, rest]).pieces]
[(0, [0, 1]), (1, [0, 1, 2, 3, 4, 5]), (0, [2, 3])]

Consumers of `first` read the first four channels, consumers of `rest` the other six; their weights absorb the order
within the group. The convolution that produced n becomes two convolutions.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.channels import Order, joined_parts, rows
from seesaw_keras.tflite.passes.graph_index import GraphIndex, substitute, take

__all__ = ["Regrouping", "regroup"]

_MAX_PIECES = 10  # input limit of TFLite Micro's CONCATENATION


class Regrouping(NamedTuple):
    """New inputs of a concatenation.

    Attributes:
        join: the CONCATENATION.
        pieces: (input index, channel indices of that input) per piece.
    """

    join: Operator
    pieces: list[tuple[int, Order]]

    @property
    def order(self) -> Order:
        """For each new channel, its index in the old concatenation."""
        starts = np.cumsum([0, *(tensor.shape[-1] for tensor in joined_parts(self.join) or ())])
        return np.concatenate([starts[part] + indices for part, indices in self.pieces])

    def is_possible(self, graph_index: GraphIndex) -> bool:
        """Whether the producers of the inputs can produce the pieces."""
        parts = joined_parts(self.join) or []
        if len(self.pieces) > _MAX_PIECES or len(set(parts)) < len(parts):
            return False
        cut = [(parts[part], indices) for part, indices in self.pieces if not _is_whole(parts[part], indices)]
        return all(
            tensor in graph_index.producers
            and rows(graph_index, graph_index.producers[tensor], indices)
            and graph_index.only_user(tensor)
            for tensor, indices in cut
        )

    def apply(self, graph: Subgraph) -> None:
        """Creates the pieces and concatenates them; the original producers may become unused."""
        graph_index = GraphIndex(graph)
        parts = joined_parts(self.join) or []
        self.join.inputs[:] = [
            parts[part]
            if _is_whole(parts[part], indices)
            else _partial_convolution(graph_index, parts[part], indices, f"{parts[part].name}/{number}")
            for number, (part, indices) in enumerate(self.pieces)
        ]


def regroup(join: Operator, groups: Sequence[Order]) -> Regrouping:
    """Finds pieces for groups of channels whose order within each group is free.

    Args:
        join: a CONCATENATION along channels.
        groups: channel indices in the old concatenation, one array per contiguous group of the new one.
    """
    sizes = [tensor.shape[-1] for tensor in joined_parts(join) or ()]
    origin = [(part, index) for part, size in enumerate(sizes) for index in range(size)]
    channels: list[tuple[int, int]] = []
    for group in groups:
        last = channels[-1][0] if channels else None
        # Channels that continue the last piece come first, so that it is not split.
        channels += sorted((origin[channel] for channel in group), key=lambda c: (c[0] != last, c))
    runs = groupby(channels, key=lambda channel: channel[0])
    return Regrouping(join, [(part, np.array([index for _, index in run])) for part, run in runs])


def _is_whole(tensor: Tensor, indices: Order) -> bool:
    return np.array_equal(indices, np.arange(tensor.shape[-1]))


def _partial_convolution(graph_index: GraphIndex, tensor: Tensor, indices: Order, name: str) -> Tensor:
    """Creates a separate convolution that computes some of a tensor's channels."""
    producer = graph_index.producers[tensor]
    piece = Tensor(name, (*tensor.shape[:-1], indices.size), tensor.type, tensor.quantization)
    clone = Operator(producer.code, list(producer.inputs), [piece], dict(producer.options), producer.version)
    substitute(graph_index.graph, producer, [clone, producer])
    for _, index, axis, order in rows(graph_index, producer, indices) or ():
        take(graph_index.graph, clone, index, axis, order)
    return piece
