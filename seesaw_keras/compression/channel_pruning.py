"""Channel pruning: whole channels go, and what is left is an ordinary, smaller and faster network.

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
from seesaw_keras.compression.channel_groups import Ties, tied_channels
from seesaw_keras.compression.layer_graph import check_plain, copy_of, sources, with_unit_length, without_unit_length
from seesaw_keras.models.layers import ChannelSlice
from seesaw_keras.tflite.conversion.convert import weights_sha256
from seesaw_keras.training.fast.fast_graph import FastForward
from seesaw_keras.training.network import GivenNetwork

__all__ = ["ChannelPrunedNetwork", "gamma_importance", "prune_channels", "taylor_importance"]

_BATCH = 16
_LEAST_OF_MEAN = 1 / 3  # of its channels, relative to the mean, every group of layers keeps


def gamma_importance(model: Any) -> dict[int, float]:
    """Returns the importance of tied channels: the mean magnitude of batch normalization's gammas (arXiv 1708.06519).

    Each layer's gammas are divided by their mean. Where there is none, in squeeze-excite, the norms of the kernel that
    writes the channel take their place. They are multiplied by the multiply-adds that go with the channels, so that
    `prune_channels`, which looks at what a multiply-add is good for, goes by the gammas.

    Args:
        model: from `seesaw_keras.build`.

    Returns:
        By the numbers of `tied_channels(model)`.
    """
    ties = tied_channels(model)
    found: dict[int, list[float]] = defaultdict(list)
    norms: dict[int, list[float]] = defaultdict(list)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values, into = np.abs(layer.gamma.numpy()), found
        elif isinstance(layer, keras.layers.Conv2D):
            values, into = np.sqrt((layer.kernel.numpy() ** 2).sum((0, 1, 2))), norms
        else:
            continue
        for number, value in zip(ties.of[layer.name].tolist(), values / values.mean(), strict=True):
            into[number].append(float(value))
    _, madds = _costs(model, ties)
    return {number: madds[number] * float(np.mean(found[number] or norms[number])) for number in norms}


def taylor_importance(
    model: Any, images: npt.NDArray[np.float32], *, samples: int = 64, seed: int = 0
) -> dict[int, float]:
    """Returns the importance of tied channels: how far the embeddings move without them, to the first order.

    To take a channel away is to take its rows out of every kernel that reads it. The change of the embeddings e of the
    images is, to the first order, J w for these rows w; what counts is its squared length, the second-order Taylor term
    of the distance to the network's own embeddings, whose first-order term is zero. It is measured as the mean of
    (v J w)^2 for random v, one backward pass each (Molchanov and others, arXiv 1906.10771, take the gradient of the
    training's loss for v J).

    Args:
        model: from `seesaw_keras.build`.
        images: float32 (n, side, side, 3) in [-1, 1], which take turns.
        samples: how many v.
        seed: of v.

    Returns:
        By the numbers of `tied_channels(model)`.
    """
    import tensorflow as tf

    ties, taken = tied_channels(model), sources(model)
    readers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    generator = tf.random.Generator.from_seed(seed)

    @tf.function
    def rows(batch: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            unit = tf.math.l2_normalize(model(batch, training=False), axis=-1)
            along = tf.reduce_sum(unit * generator.normal(tf.shape(unit)))
        gradients = tape.gradient(along, [layer.kernel for layer in readers])
        pairs = zip(readers, gradients, strict=True)
        return [tf.reduce_sum(layer.kernel * gradient, axis=(0, 1, 3)) for layer, gradient in pairs]

    size = min(_BATCH, len(images))
    sums = np.zeros(1 + max(ties.marks))
    for sample in range(samples):
        moved = np.zeros_like(sums)
        batch = images[(np.arange(size) + sample * size) % len(images)]
        for layer, values in zip(readers, rows(tf.constant(batch)), strict=True):
            np.add.at(moved, ties.of[taken[layer.name][0].name], values.numpy())
        sums += moved**2
    return {number: float(sums[number] / samples) for number in ties.marks}


@dataclass(frozen=True)
class _Unit:
    """Channels that go together, so that what is left can be split and shuffled as before.

    Attributes:
        group: of `Ties.groups`.
        numbers: of `Ties`.
        channels: how many output channels of convolutions they are.
        price: importance a multiply-add that goes with them.
    """

    group: int
    numbers: list[int]
    channels: int
    price: float


def prune_channels(model: Any, share: float, importance: Mapping[int, float], *, multiple: int = 8) -> Any:
    """Returns a smaller network with the weights of the channels that are left.

    Args:
        model: from `seesaw_keras.build`; it stays as it is.
        share: of all convolutions' output channels (depthwise ones and the embedding not counted) to be removed, 0 or
            more and below 1. A little more goes, because they go in units.
        importance: of `gamma_importance` or `taylor_importance`; those go first that are least important for the
            multiply-adds that they take.
        multiple: widths that are multiples of this stay multiples: kernels for CPUs compute 8 or 16 channels at once.

    Returns:
        A `keras.Model` like those of `seesaw_keras.build`.

    Raises:
        ValueError: the model is compressed already or holds unknown layers, or `share` is not in that range.
    """
    check_plain(model)
    if not 0 <= share < 1:
        raise ValueError(f"the share of channels to remove must be 0 or more and below 1, got {share:g}")
    ties = tied_channels(model)
    units = _units(model, ties, importance, multiple)
    sizes: Counter[int] = Counter()
    for unit in units:
        sizes[unit.group] += unit.channels
    least = {group: max((1 - share) * _LEAST_OF_MEAN * size, 1) for group, size in sizes.items()}
    wanted = share * sizes.total()
    gone: set[int] = set()
    for unit in sorted(units, key=lambda unit: unit.price):
        if wanted > 0 and sizes[unit.group] - unit.channels >= least[unit.group]:
            gone.update(unit.numbers)
            sizes[unit.group] -= unit.channels
            wanted -= unit.channels
    return _without(model, ties, gone)


def _units(model: Any, ties: Ties, importance: Mapping[int, float], multiple: int) -> list[_Unit]:
    """Cuts every group's channels into units: the same share of each of its cells, the least important first."""
    cells: dict[int, dict[frozenset[str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for number in sorted(ties.marks, key=lambda number: importance.get(number, 0.0)):
        if number not in ties.fixed:
            cells[ties.groups[number]][ties.marks[number]].append(number)
    widths: dict[int, int] = defaultdict(int)
    for numbers in ties.of.values():
        group = ties.groups[int(numbers[0])]
        widths[group] = max(widths[group], len(numbers))
    channels, madds = _costs(model, ties)
    units = []
    for group, parts in cells.items():
        pieces = math.gcd(*map(len, parts.values()))
        if widths[group] % multiple == 0:
            pieces = math.gcd(pieces, widths[group] // multiple)
        for at in range(pieces):
            going = [
                number
                for part in parts.values()
                for number in part[at * len(part) // pieces : (at + 1) * len(part) // pieces]
            ]
            price = sum(importance[number] for number in going) / sum(madds[number] for number in going)
            units.append(_Unit(group, going, sum(channels[number] for number in going), price))
    return units


def _costs(model: Any, ties: Ties) -> tuple[Counter[int], Counter[int]]:
    """Returns by number how many output channels of convolutions it stands for, and their multiply-adds."""
    taken = sources(model)
    channels: Counter[int] = Counter()
    madds: Counter[int] = Counter()
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            continue
        made, read = ties.of[layer.name].tolist(), ties.of[taken[layer.name][0].name].tolist()
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


def _without(model: Any, ties: Ties, gone: set[int]) -> Any:
    """Returns a copy of a network without some channels."""
    taken = sources(model)
    kept = {name: ~np.isin(numbers, list(gone)) for name, numbers in ties.of.items()}

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


class ChannelPrunedNetwork(GivenNetwork):
    """A smaller network for `train`, to recover.

    Args:
        model: of `prune_channels`; it stays as it is.
    """

    def __init__(self, model: Any) -> None:
        check_plain(model)
        self._model = model
        self.facts = {"weights_sha256": weights_sha256(model.get_weights())}

    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Makes a copy."""
        network = keras.models.clone_model(without_unit_length(self._model), clone_function=copy_of)
        return with_unit_length(network) if normalize else network

    def forward(self, network: Any, step: Any) -> Any:
        """The fast form."""
        return FastForward(network)

    def finished(self, trained: Any) -> Any:
        """Returns what `train` returned, with unit length if the given network had it."""
        return without_unit_length(trained) if without_unit_length(self._model) is self._model else trained
