"""Channel pruning: removes whole channels; the result is an ordinary, smaller and faster network.

>>> from seesaw_keras.compression.channel_pruning import prune_channels, taylor_importance
>>> smaller = prune_channels(network, 0.3, taylor_importance(network, images))  # doctest: +SKIP
>>> smaller.get_layer("stage1_block1_dw_conv").output.shape[-1]  # doctest: +SKIP
96
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.api import keras
from seesaw_keras.compression.channel_groups import ChannelGroups, tied_channels
from seesaw_keras.compression.layer_graph import check_plain, copy_of, producers, with_unit_length, without_unit_length
from seesaw_keras.models.layers import ChannelSlice
from seesaw_keras.tflite.conversion.convert import weights_sha256
from seesaw_keras.training.fast.fast_graph import FastForward
from seesaw_keras.training.network import NetworkProvider

__all__ = ["ChannelPrunedNetwork", "gamma_importance", "prune_channels", "taylor_importance"]

_BATCH = 16
_LEAST_OF_MEAN = 1 / 3  # every group keeps at least this fraction of the mean fraction of channels kept


def gamma_importance(model: Any) -> dict[int, float]:
    """Returns channel importance as the mean magnitude of the batch normalization gammas (arXiv 1708.06519).

    Each layer's gammas are divided by their mean. In squeeze-excite, which has no batch normalization, the norms of the
    kernel that produces the channel are used instead. The values are multiplied by the multiply-adds of the channels,
    because `prune_channels` ranks by importance per multiply-add; the ranking is thus by gamma.

    Args:
        model: a model from `seesaw_keras.build`.

    Returns:
        Importance by channel number of `tied_channels(model)`.
    """
    channel_groups = tied_channels(model)
    found: dict[int, list[float]] = defaultdict(list)
    norms: dict[int, list[float]] = defaultdict(list)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values, into = np.abs(layer.gamma.numpy()), found
        elif isinstance(layer, keras.layers.Conv2D):
            values, into = np.sqrt((layer.kernel.numpy() ** 2).sum((0, 1, 2))), norms
        else:
            continue
        for number, value in zip(channel_groups.by_layer[layer.name].tolist(), values / values.mean(), strict=True):
            into[number].append(float(value))
    _, madds = _costs(model, channel_groups)
    return {number: madds[number] * float(np.mean(found[number] or norms[number])) for number in norms}


def taylor_importance(
    model: Any, images: npt.NDArray[np.float32], *, samples: int = 64, seed: int = 0
) -> dict[int, float]:
    """Returns channel importance as the first-order estimate of how far the embeddings move without the channels.

    Removing a channel removes its rows from every kernel that reads it. To first order, the embeddings e of the images
    change by J w for these rows w. The importance is the squared norm of that change: the second-order Taylor term of
    the distance to the unpruned network's embeddings, whose first-order term is zero. It is estimated as the mean of
    (v J w)^2 over random v, with one backward pass each (Molchanov et al., arXiv 1906.10771, use the gradient of the
    training loss instead of v J).

    Args:
        model: a model from `seesaw_keras.build`.
        images: float32 (n, side, side, 3) in [-1, 1]; batches cycle through them.
        samples: number of random vectors v.
        seed: seed of v.

    Returns:
        Importance by channel number of `tied_channels(model)`.
    """
    import tensorflow as tf

    channel_groups, taken = tied_channels(model), producers(model)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    generator = tf.random.Generator.from_seed(seed)

    @tf.function
    def rows(batch: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            unit = tf.math.l2_normalize(model(batch, training=False), axis=-1)
            along = tf.reduce_sum(unit * generator.normal(tf.shape(unit)))
        gradients = tape.gradient(along, [layer.kernel for layer in convolutions])
        pairs = zip(convolutions, gradients, strict=True)
        return [tf.reduce_sum(layer.kernel * gradient, axis=(0, 1, 3)) for layer, gradient in pairs]

    size = min(_BATCH, len(images))
    sums = np.zeros(1 + max(channel_groups.marks))
    for sample in range(samples):
        moved = np.zeros_like(sums)
        batch = images[(np.arange(size) + sample * size) % len(images)]
        for layer, values in zip(convolutions, rows(tf.constant(batch)), strict=True):
            np.add.at(moved, channel_groups.by_layer[taken[layer.name][0].name], values.numpy())
        sums += moved**2
    return {number: float(sums[number] / samples) for number in channel_groups.marks}


@dataclass(frozen=True)
class _Unit:
    """Channels that are removed together, so that the remaining channels can still be split and shuffled.

    Attributes:
        group: group in `ChannelGroups.groups`.
        numbers: channel numbers in `ChannelGroups`.
        channels: number of convolution output channels removed.
        price: importance per multiply-add removed.
    """

    group: int
    numbers: list[int]
    channels: int
    price: float


def prune_channels(model: Any, share: float, importance: Mapping[int, float], *, multiple: int = 8) -> Any:
    """Returns a smaller network with the weights of the remaining channels.

    Args:
        model: a model from `seesaw_keras.build`; it is not modified.
        share: fraction of all convolution output channels (excluding depthwise convolutions and the embedding) to
            remove, at least 0 and below 1. Slightly more may be removed, because channels are removed in units.
        importance: from `gamma_importance` or `taylor_importance`; channels with the lowest importance per multiply-add
            are removed first.
        multiple: widths that are a multiple of this remain one, because CPU kernels compute 8 or 16 channels at once.

    Returns:
        A `keras.Model` with the same structure as one from `seesaw_keras.build`.

    Raises:
        ValueError: if the model is already compressed or contains unsupported layers, or `share` is out of range.
    """
    check_plain(model)
    if not 0 <= share < 1:
        raise ValueError(f"the share of channels to remove must be 0 or more and below 1, got {share:g}")
    channel_groups = tied_channels(model)
    units = _units(model, channel_groups, importance, multiple)
    sizes: Counter[int] = Counter()
    for unit in units:
        sizes[unit.group] += unit.channels
    least = {group: max((1 - share) * _LEAST_OF_MEAN * size, 1) for group, size in sizes.items()}
    remaining = share * sizes.total()
    removed: set[int] = set()
    for unit in sorted(units, key=lambda unit: unit.price):
        if remaining > 0 and sizes[unit.group] - unit.channels >= least[unit.group]:
            removed.update(unit.numbers)
            sizes[unit.group] -= unit.channels
            remaining -= unit.channels
    return _without(model, channel_groups, removed)


def _units(model: Any, channel_groups: ChannelGroups, importance: Mapping[int, float], multiple: int) -> list[_Unit]:
    """Splits each group's channels into units with the same fraction of every cell, least important first."""
    cells: dict[int, dict[frozenset[str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for number in sorted(channel_groups.marks, key=lambda number: importance.get(number, 0.0)):
        if number not in channel_groups.fixed:
            cells[channel_groups.groups[number]][channel_groups.marks[number]].append(number)
    widths: dict[int, int] = defaultdict(int)
    for numbers in channel_groups.by_layer.values():
        group = channel_groups.groups[int(numbers[0])]
        widths[group] = max(widths[group], len(numbers))
    channels, madds = _costs(model, channel_groups)
    units = []
    for group, parts in cells.items():
        pieces = math.gcd(*map(len, parts.values()))
        if widths[group] % multiple == 0:
            pieces = math.gcd(pieces, widths[group] // multiple)
        for at in range(pieces):
            unit_numbers = [
                number
                for part in parts.values()
                for number in part[at * len(part) // pieces : (at + 1) * len(part) // pieces]
            ]
            price = sum(importance[number] for number in unit_numbers) / sum(madds[number] for number in unit_numbers)
            units.append(_Unit(group, unit_numbers, sum(channels[number] for number in unit_numbers), price))
    return units


def _costs(model: Any, channel_groups: ChannelGroups) -> tuple[Counter[int], Counter[int]]:
    """Returns, by channel number, the number of convolution output channels and their multiply-adds."""
    taken = producers(model)
    channels: Counter[int] = Counter()
    madds: Counter[int] = Counter()
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            continue
        made, read = (
            channel_groups.by_layer[layer.name].tolist(),
            channel_groups.by_layer[taken[layer.name][0].name].tolist(),
        )
        entries = math.prod(layer.kernel_size) * math.prod(layer.output.shape[1:3])
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            for number in made:
                madds[number] += entries
            continue
        channels.update(made)
        for numbers, others in ((made, read), (read, made)):
            for number in numbers:
                madds[number] += entries * len(others)
    return channels, madds


def _without(model: Any, channel_groups: ChannelGroups, removed: set[int]) -> Any:
    """Returns a copy of a network without the channels in `removed`."""
    taken = producers(model)
    kept = {name: ~np.isin(numbers, list(removed)) for name, numbers in channel_groups.by_layer.items()}

    def given(layer: Any) -> np.ndarray:
        return kept[taken[layer.name][0].name]

    def narrow(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = int(kept[layer.name].sum())
        if isinstance(layer, ChannelSlice):
            config["start"], config["stop"] = (int(given(layer)[:end].sum()) for end in (layer.start, layer.stop))
        return type(layer).from_config(config)

    smaller = keras.models.clone_model(model, clone_function=narrow)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, keras.layers.Conv2D):
            weights[0] = weights[0][:, :, given(layer)]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            weights = [weights[0][:, :, kept[layer.name]], *(bias[kept[layer.name]] for bias in weights[1:])]
        else:
            weights = [array[..., kept[layer.name]] for array in weights]
        smaller.get_layer(layer.name).set_weights(weights)
    return smaller


class ChannelPrunedNetwork(NetworkProvider):
    """Provides a channel-pruned network to `train` for fine-tuning.

    Args:
        model: a model from `prune_channels`; it is not modified.
    """

    def __init__(self, model: Any) -> None:
        check_plain(model)
        self._model = model
        self.facts = {"weights_sha256": weights_sha256(model.get_weights())}

    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Returns a copy of the pruned network."""
        network = keras.models.clone_model(without_unit_length(self._model), clone_function=copy_of)
        return with_unit_length(network) if normalize else network

    def forward(self, network: Any, step: Any) -> Any:
        """Returns the `FastForward` of the network."""
        return FastForward(network)

    def finished(self, trained: Any) -> Any:
        """Returns the network from `train`, with L2-normalized embeddings only if the pruned network had them."""
        return without_unit_length(trained) if without_unit_length(self._model) is self._model else trained
