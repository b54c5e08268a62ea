"""How much each convolution may be pruned: damage measured layer by layer, then spent where it buys most zeros.

>>> from seesaw_keras.compression.sensitivity import allocate, scan
>>> curves = scan(network, images)  # doctest: +SKIP
>>> allocate(curves, sparsity=0.8)["embedding_conv"]  # doctest: +SKIP
0.86
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.compression.layer_graph import check_plain
from seesaw_keras.compression.pruning import Part, kernel_of, prunable_layers

__all__ = ["LEVELS", "Curve", "allocate", "scan"]

LEVELS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
# Damage without training says little about a layer of which next to nothing is left: none keeps less than this share of
# what layers keep on average.
_LEAST_OF_MEAN = 1 / 3


@dataclass(frozen=True)
class Curve:
    """What pruning one layer alone does to the embeddings.

    Attributes:
        entries: of the kernel.
        damage: 1 - cosine with the dense network's embeddings, the mean over images, at each of `LEVELS`.
    """

    entries: int
    damage: tuple[float, ...]


def scan(
    model: Any,
    images: npt.NDArray[np.float32],
    also: Collection[Part] = (),
    *,
    progress: Callable[[int, int], Any] | None = None,
) -> dict[str, Curve]:
    """Prunes every layer alone, without training, to each of `LEVELS`, and looks what becomes of the embeddings.

    Args:
        model: from `seesaw_keras.build`; its weights are changed meanwhile, and put back.
        images: float32 (n, side, side, 3) in [-1, 1], all in one batch.
        also: see `pruning.prunable_layers`.
        progress: called with the layers that are done and all.

    Returns:
        A curve a layer, by its name.

    Raises:
        ValueError: the model is compressed already, or there is no such part.
    """
    import tensorflow as tf

    check_plain(model)
    embed = tf.function(lambda batch: tf.math.l2_normalize(model(batch, training=False), axis=-1))
    batch = tf.constant(images)
    dense = embed(batch)
    layers = prunable_layers(model, also)
    curves = {}
    for done, layer in enumerate(layers, 1):
        kernel = kernel_of(layer)
        values = kernel.numpy()
        damage = []
        try:
            for level in LEVELS:
                kernel.assign(values * (np.abs(values) > np.quantile(np.abs(values), level)))
                damage.append(1.0 - float(tf.reduce_mean(tf.reduce_sum(dense * embed(batch), axis=-1))))
        finally:
            kernel.assign(values)
        curves[layer.name] = Curve(values.size, tuple(damage))
        if progress:
            progress(done, len(layers))
    return curves


def allocate(curves: Mapping[str, Curve], sparsity: float) -> dict[str, float]:
    """Shares zeros out over layers so that together they do the least damage, as far as single layers tell.

    Each layer's damage over its number of zeros is replaced by the convex curve below it; the sum of such curves is
    least where zeros are taken in the order of their price, the slope, over all layers.

    Args:
        curves: of `scan`.
        sparsity: wanted share of zeros in all these layers together, 0 or more and below 1.

    Returns:
        The sparsity of each layer, by its name; their mean, weighed by the layers' entries, is `sparsity`.

    Raises:
        ValueError: the wanted share is not in that range.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity must be 0 or more and below 1, got {sparsity:g}")
    most = 1 - (1 - sparsity) * _LEAST_OF_MEAN
    offers = sorted((price, name, level) for name, curve in curves.items() for price, level in _prices(curve, most))
    wanted = sparsity * sum(curve.entries for curve in curves.values())
    shares = dict.fromkeys(curves, 0.0)
    for _, name, level in offers:
        entries = curves[name].entries
        taken = min((level - shares[name]) * entries, wanted)
        shares[name] += taken / entries
        wanted -= taken
    return shares


def _prices(curve: Curve, most: float) -> list[tuple[float, float]]:
    """Returns the corners of the convex curve below a layer's damage: what a zero costs up to each level."""
    levels = np.array([0.0, *LEVELS, 1.0])
    damage = np.maximum.accumulate([0.0, *curve.damage, 1.0])
    ends = np.append(levels[levels < most], most)
    heights = np.interp(ends, levels, damage)
    prices, at = [], 0
    while at < len(ends) - 1:
        slopes = (heights[at + 1 :] - heights[at]) / (ends[at + 1 :] - ends[at])
        least = len(slopes) - 1 - int(np.argmin(slopes[::-1]))  # the farthest of equal ones
        at += 1 + least
        prices.append((float(slopes[least]) / curve.entries, float(ends[at])))
    return prices
