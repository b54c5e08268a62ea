"""Which channels of a network can only go together: a network's layers, followed channel by channel.

>>> import seesaw_keras
>>> from seesaw_keras.compression.channel_groups import tied_channels
>>> ties = tied_channels(seesaw_keras.build("shuffle"))
>>> (ties.of["stage1_block1_add"] == ties.of["stage1_block2_add"]).all()
np.True_
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.api import keras
from seesaw_keras.compression.layer_graph import sources
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

__all__ = ["Ties", "tied_channels"]

Numbers = npt.NDArray[np.int64]

_layers = keras.layers
_KEEP = (  # what works on each channel alone
    *(_layers.DepthwiseConv2D, _layers.BatchNormalization, _layers.ReLU, _layers.PReLU, _layers.Activation),
    *(Swish, HardSwish, HardSigmoid, _layers.ZeroPadding2D, _layers.MaxPooling2D, _layers.GlobalAveragePooling2D),
    *(_layers.UnitNormalization, _layers.Flatten),
)


@dataclass(frozen=True)
class Ties:
    """The channels of every layer's output as numbers; equal numbers mean that all of them go, or none.

    Attributes:
        of: name of a layer -> the numbers of its output's channels, (channels,).
        fixed: the numbers that must stay: the image's and the embedding's.
        groups: number -> its group: numbers that stand side by side in the output of some layer have the same.
        marks: number -> the convolutions that write its channels and the slices that hold them. Where all channels with
            the same marks are cut by the same share, every slice is, and the 1:3 split stays one.
    """

    of: dict[str, Numbers]
    fixed: frozenset[int]
    groups: dict[int, int]
    marks: dict[int, frozenset[str]]


class _Numbering:
    """Numbers that can be declared equal (union-find)."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def fresh(self, count: int) -> Numbers:
        """Returns numbers that were not there before."""
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = number = self._parents[self._parents[number]]
        return number

    def tie(self, one: Numbers, other: Numbers) -> None:
        """Declares the numbers of two tensors equal, channel by channel."""
        for left, right in zip(one.tolist(), other.tolist(), strict=True):
            self._parents[self.root(right)] = self.root(left)

    def roots(self, numbers: Numbers) -> Numbers:
        """Returns one number for all that are equal."""
        return np.array([self.root(number) for number in numbers.tolist()], np.int64)


def tied_channels(model: Any) -> Ties:
    """Follows the channels through a network.

    Addition and multiplication tie the channels of their inputs; a shuffle ties those that lie side by side after it,
    so that what is left is a shuffle again; a convolution that is not depthwise writes new ones.

    Args:
        model: from `seesaw_keras.build`.

    Raises:
        ValueError: it holds a layer that is not known.
    """
    numbering, taken = _Numbering(), sources(model)
    of: dict[str, Numbers] = {}
    for layer in model.layers:
        of[layer.name] = _follow(layer, [of[source.name] for source in taken[layer.name]], numbering)
    of = {name: numbering.roots(numbers) for name, numbers in of.items()}
    fixed = frozenset(number for layer in (model.layers[0], model.layers[-1]) for number in of[layer.name].tolist())
    marks: dict[int, set[str]] = {number: set() for numbers in of.values() for number in numbers.tolist()}
    for layer in model.layers:
        if isinstance(layer, (_layers.Conv2D, ChannelSlice)):
            for number in of[layer.name].tolist():
                marks[number].add(layer.name)
    for numbers in of.values():
        numbering.tie(numbers[:-1], numbers[1:])
    groups = {number: numbering.root(number) for number in marks}
    return Ties(of, fixed, groups, {number: frozenset(names) for number, names in marks.items()})


def _follow(layer: Any, inputs: list[Numbers], numbering: _Numbering) -> Numbers:
    """Returns the numbers of a layer's output."""
    if isinstance(layer, _layers.InputLayer):
        return numbering.fresh(layer.output.shape[-1])
    if isinstance(layer, _layers.Conv2D) and layer.groups == 1:
        return numbering.fresh(layer.filters)
    if isinstance(layer, ChannelSlice):
        return inputs[0][layer.start : layer.stop]
    if isinstance(layer, _layers.Concatenate):
        return np.concatenate(inputs)
    if isinstance(layer, ChannelShuffle):
        first, *others = groups = inputs[0].reshape(layer.groups, -1)
        for other in others:
            numbering.tie(first, other)
        return groups.T.ravel()
    if isinstance(layer, (_layers.Add, _layers.Multiply)):
        numbering.tie(*inputs)
        return inputs[0]
    if isinstance(layer, _KEEP) and layer.output.shape[-1] == len(inputs[0]):
        return inputs[0]
    raise ValueError(f"layer {layer.name!r}, a {type(layer).__name__}, is none whose channels can be followed")
