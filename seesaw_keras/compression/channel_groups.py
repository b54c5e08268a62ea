"""Channel dependency analysis: groups of channels that must be pruned together.

>>> import seesaw_keras
>>> from seesaw_keras.compression.channel_groups import tied_channels
>>> groups = tied_channels(seesaw_keras.build("shuffle"))
>>> (groups.by_layer["stage1_block1_add"] == groups.by_layer["stage1_block2_add"]).all()
np.True_
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.api import keras
from seesaw_keras.compression.layer_graph import producers
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

__all__ = ["ChannelGroups", "tied_channels"]

Numbers = npt.NDArray[np.int64]

_layers = keras.layers
_KEEP = (  # layers that process each channel independently
    *(_layers.DepthwiseConv2D, _layers.BatchNormalization, _layers.ReLU, _layers.PReLU, _layers.Activation),
    *(Swish, HardSwish, HardSigmoid, _layers.ZeroPadding2D, _layers.MaxPooling2D, _layers.GlobalAveragePooling2D),
    *(_layers.UnitNormalization, _layers.Flatten),
)


@dataclass(frozen=True)
class ChannelGroups:
    """Channel numbers of every layer's output; channels with equal numbers must be pruned together.

    Attributes:
        by_layer: channel numbers (channels,) of each layer's output, by layer name.
        fixed: numbers that cannot be pruned: the channels of the image and the embedding.
        groups: group of each number; numbers that occur in the output of the same layer share a group.
        marks: for each number, the convolutions that produce its channels and the slices that contain them. If all
            channels with the same marks are reduced by the same fraction, every slice is, and the 1:3 split is kept.
    """

    by_layer: dict[str, Numbers]
    fixed: frozenset[int]
    groups: dict[int, int]
    marks: dict[int, frozenset[str]]


class _Numbering:
    """Union-find over channel numbers."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def fresh(self, count: int) -> Numbers:
        """Returns `count` new numbers."""
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = number = self._parents[self._parents[number]]
        return number

    def tie(self, one: Numbers, other: Numbers) -> None:
        """Unites the numbers of two tensors, channel by channel."""
        for left, right in zip(one.tolist(), other.tolist(), strict=True):
            self._parents[self.root(right)] = self.root(left)

    def roots(self, numbers: Numbers) -> Numbers:
        """Returns the representative of each number."""
        return np.array([self.root(number) for number in numbers.tolist()], np.int64)


def tied_channels(model: Any) -> ChannelGroups:
    """Propagates channel numbers through a network.

    Addition and multiplication unite the channels of their inputs. A shuffle unites the channels that are adjacent
    after it, so that the pruned network still has a valid shuffle. Convolutions other than depthwise create new
    channels.

    Args:
        model: a model from `seesaw_keras.build`.

    Raises:
        ValueError: if the model contains an unsupported layer.
    """
    numbering, taken = _Numbering(), producers(model)
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
    return ChannelGroups(of, fixed, groups, {number: frozenset(names) for number, names in marks.items()})


def _follow(layer: Any, inputs: list[Numbers], numbering: _Numbering) -> Numbers:
    """Returns the channel numbers of a layer's output."""
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
    raise ValueError(f"layer {layer.name!r}, a {type(layer).__name__}, is not supported by channel pruning")
