"""Pruning sensitivity per layer, and allocation of a total sparsity over the layers.

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
# Damage measured without training is not meaningful at extreme sparsity, so every layer keeps at least this fraction of
# the mean fraction of weights kept.
_LEAST_OF_MEAN = 1 / 3


@dataclass(frozen=True)
class Curve:
    """Effect on the embeddings of pruning a single layer.

    Attributes:
        entries: number of kernel entries.
        damage: mean over images of 1 - cosine to the dense network's embeddings, at each of `LEVELS`.
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
    """Prunes each layer separately, without training, to each of `LEVELS` and measures the change of the embeddings.

    Args:
        model: a model from `seesaw_keras.build`; its weights are modified temporarily and restored.
        images: float32 (n, side, side, 3) in [-1, 1], processed as one batch.
        also: see `pruning.prunable_layers`.
        progress: called with the number of completed layers and the total.

    Returns:
        Sensitivity curves by layer name.

    Raises:
        ValueError: if the model is already compressed or a part is unknown.
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
    """Allocates a total sparsity over the layers to minimize the sum of the individually measured damages.

    Each layer's damage as a function of its number of zeros is replaced by its lower convex hull. The sum of convex
    functions is minimized by assigning zeros greedily in the order of the slopes over all layers.

    Args:
        curves: result of `scan`.
        sparsity: target fraction of zeros over all these layers, at least 0 and below 1.

    Returns:
        The sparsity of each layer by name; their mean, weighted by number of entries, is `sparsity`.

    Raises:
        ValueError: if `sparsity` is out of range.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity must be 0 or more and below 1, got {sparsity:g}")
    most = 1 - (1 - sparsity) * _LEAST_OF_MEAN
    offers = sorted((price, name, level) for name, curve in curves.items() for price, level in _prices(curve, most))
    remaining = sparsity * sum(curve.entries for curve in curves.values())
    shares = dict.fromkeys(curves, 0.0)
    for _, name, level in offers:
        entries = curves[name].entries
        taken = min((level - shares[name]) * entries, remaining)
        shares[name] += taken / entries
        remaining -= taken
    return shares


def _prices(curve: Curve, most: float) -> list[tuple[float, float]]:
    """Returns the segments of a layer's lower convex hull as (damage per zero, level at the end of the segment)."""
    levels = np.array([0.0, *LEVELS, 1.0])
    damage = np.maximum.accumulate([0.0, *curve.damage, 1.0])
    ends = np.append(levels[levels < most], most)
    heights = np.interp(ends, levels, damage)
    prices, at = [], 0
    while at < len(ends) - 1:
        slopes = (heights[at + 1 :] - heights[at]) / (ends[at + 1 :] - ends[at])
        least = len(slopes) - 1 - int(np.argmin(slopes[::-1]))  # the farthest in case of ties
        at += 1 + least
        prices.append((float(slopes[least]) / curve.entries, float(ends[at])))
    return prices
