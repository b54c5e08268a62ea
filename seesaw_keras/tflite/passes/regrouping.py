"""A concatenation of the same channels in another order, put together of as few pieces as possible.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor
>>> from seesaw_keras.tflite.passes.regrouping import regroup
>>> n, w, joined = (Tensor(name, (1, 8, 8, size), "INT8") for name, size in (("n", 4), ("w", 6), ("joined", 10)))
>>> join = Operator("CONCATENATION", [n, w], [joined], {"axis": 3})
>>> first, rest = np.array([0, 4, 1, 5]), np.array([2, 6, 3, 7, 8, 9])
>>> [(part, places.tolist()) for part, places in regroup(join, [first, rest]).pieces]
[(0, [0, 1]), (1, [0, 1, 2, 3, 4, 5]), (0, [2, 3])]

Whoever reads `first` finds it in the first four channels, whoever reads `rest` in the other six, in an order that is
up to their weights. The convolution that made n is two convolutions afterwards.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.channels import Order, joined_parts, rows
from seesaw_keras.tflite.passes.graph_index import Links, substitute, take

__all__ = ["Regrouping", "regroup"]

_MOST_PIECES = 10  # TFLite Micro's CONCATENATION takes no more


class Regrouping(NamedTuple):
    """What a concatenation shall join.

    Attributes:
        join: the CONCATENATION.
        pieces: the number of an input, and which of its channels.
    """

    join: Operator
    pieces: list[tuple[int, Order]]

    @property
    def order(self) -> Order:
        """For each new channel where it is in the old concatenation."""
        starts = np.cumsum([0, *(tensor.shape[-1] for tensor in joined_parts(self.join) or ())])
        return np.concatenate([starts[part] + places for part, places in self.pieces])

    def is_possible(self, links: Links) -> bool:
        """Whether those who make the inputs can make the pieces."""
        parts = joined_parts(self.join) or []
        if len(self.pieces) > _MOST_PIECES or len(set(parts)) < len(parts):
            return False
        cut = [(parts[part], places) for part, places in self.pieces if not _is_whole(parts[part], places)]
        return all(
            tensor in links.producers and rows(links, links.producers[tensor], places) and links.only_user(tensor)
            for tensor, places in cut
        )

    def apply(self, graph: Subgraph) -> None:
        """Makes the pieces and joins them; what made the inputs is left without users."""
        links = Links(graph)
        parts = joined_parts(self.join) or []
        self.join.inputs[:] = [
            parts[part]
            if _is_whole(parts[part], places)
            else _made_in_part(links, parts[part], places, f"{parts[part].name}/{number}")
            for number, (part, places) in enumerate(self.pieces)
        ]


def regroup(join: Operator, groups: Sequence[Order]) -> Regrouping:
    """Finds pieces for groups of channels whose order within the group is free.

    Args:
        join: a CONCATENATION of channels.
        groups: the channels, in the old concatenation, that shall come one group after the other.
    """
    sizes = [tensor.shape[-1] for tensor in joined_parts(join) or ()]
    origin = [(part, place) for part, size in enumerate(sizes) for place in range(size)]
    channels: list[tuple[int, int]] = []
    for group in groups:
        last = channels[-1][0] if channels else None
        # What continues the last piece comes first: it is not cut.
        channels += sorted((origin[channel] for channel in group), key=lambda c: (c[0] != last, c))
    runs = groupby(channels, key=lambda channel: channel[0])
    return Regrouping(join, [(part, np.array([place for _, place in run])) for part, run in runs])


def _is_whole(tensor: Tensor, places: Order) -> bool:
    return np.array_equal(places, np.arange(tensor.shape[-1]))


def _made_in_part(links: Links, tensor: Tensor, places: Order, name: str) -> Tensor:
    """Makes some of the channels of a tensor by a convolution of their own."""
    maker = links.producers[tensor]
    piece = Tensor(name, (*tensor.shape[:-1], places.size), tensor.type, tensor.quantization)
    clone = Operator(maker.code, list(maker.inputs), [piece], dict(maker.options), maker.version)
    substitute(links.graph, maker, [clone, maker])
    for _, place, axis, order in rows(links, maker, places) or ():
        take(links.graph, clone, place, axis, order)
    return piece
