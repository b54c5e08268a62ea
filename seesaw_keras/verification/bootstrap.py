"""Bootstrap confidence intervals that resample identities instead of pairs.

>>> import numpy as np
>>> from seesaw_keras.verification.bootstrap import bootstrap
>>> people = np.random.default_rng(0).integers(0, 30, (400, 2))
>>> people[::2, 1] = people[::2, 0]
>>> same = people[:, 0] == people[:, 1]
>>> cosine = np.random.default_rng(1).normal(same, 0.5)
>>> low, high = bootstrap(cosine, 2 - 2 * cosine, same, people, replicates=200).intervals["auc"]
>>> bool(low < high)
True

Pairs that share an identity are not independent: one difficult person affects several pairs. Each replicate samples
identities with replacement; a genuine pair is weighted by the number of times its identity was drawn, an impostor pair
by the product of the two numbers (the vertex bootstrap: Snijders and Borgatti 1999; Owen 2007; for face verification
Fogliato, Patil and Perona, arXiv 2306.01198). All metrics, including thresholds, are recomputed with these weights, so
the intervals also cover the choice of thresholds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from seesaw_keras.verification.metrics import auc, checked_pairs, d_prime, equal_error_rate, last_within, tie_ends
from seesaw_keras.verification.protocols import (
    contiguous_folds,
    cross_validate,
    fold_histogram,
    fold_keys,
    fold_numbers,
)

__all__ = ["Bootstrap", "bootstrap", "identities_of"]

ELEMENTS_AT_ONCE = 4_000_000  # maximum number of weights in memory, 32 MB per array


@dataclass(frozen=True)
class Bootstrap:
    """Percentile confidence intervals.

    Attributes:
        intervals: (low, high) by metric: "accuracy", "eer", "auc", "d_prime", "tar@0.001", ... as fractions, 0 to 1,
            except d_prime; NaN if no replicate gave a value.
        unit: resampling unit, "identities" or "pairs".
        units: number of units.
        replicates: number of bootstrap replicates.
        level: confidence level, 0 to 1.
    """

    intervals: dict[str, tuple[float, float]]
    unit: Literal["identities", "pairs"]
    units: int
    replicates: int
    level: float


def identities_of(names: Sequence[str], index: np.ndarray, same: np.ndarray) -> np.ndarray | None:
    """Derives each image's identity from its path: the deepest folder level consistent with all pair labels.

    `Name/Name_0001.jpg` gives "Name"; `001/frontal/01.jpg` gives "001", because "001/frontal" would assign a person's
    frontal and profile images to different identities.

    Args:
        names: (images,) paths with forward slashes.
        index: (n, 2) image indices of each pair.
        same: (n,) bool.

    Returns:
        (images,) identity indices from 0, or None if no folder level is consistent (.bin files have no names).
    """
    folders = [name.split("/")[:-1] for name in names]
    for depth in range(max(map(len, folders), default=0), 0, -1):
        numbers = np.unique(["/".join(folder[:depth]) for folder in folders], return_inverse=True)[1]
        if np.array_equal(numbers[index[:, 0]] == numbers[index[:, 1]], same):
            return numbers
    return None


def bootstrap(
    scores: ArrayLike,
    distances: ArrayLike,
    same: ArrayLike,
    identities: ArrayLike | None,
    *,
    folds: ArrayLike | None = None,
    fars: Sequence[float] = (),
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Computes a percentile interval of every metric.

    Args:
        scores: (n,) cosines.
        distances: (n,) squared distances, for ten-fold accuracy.
        same: (n,) True for genuine pairs.
        identities: (n, 2) identity indices of each pair's images, or None if unknown, to resample pairs.
        folds: (n,) fold of each pair; None for ten folds of consecutive pairs.
        fars: FARs for which to compute intervals of TAR.
        replicates: number of bootstrap replicates.
        level: confidence level, 0 to 1.
        seed: random seed; the same seed gives the same intervals.

    Raises:
        ValueError: see `checked_pairs`; also if `identities` contradict the labels.
    """
    score, label = checked_pairs(scores, same)
    distance, _ = checked_pairs(distances, same)
    fold = contiguous_folds(score.size) if folds is None else fold_numbers(folds, score.size)
    owners = np.repeat(np.arange(score.size)[:, None], 2, axis=1) if identities is None else np.asarray(identities)
    if identities is not None and not np.array_equal(owners[:, 0] == owners[:, 1], label):
        raise ValueError(
            "labels contradict identities: a pair must be genuine if, and only if, both images have the same identity"
        )
    people, owners = np.unique(owners, return_inverse=True)
    keys, n_folds = fold_keys(distance, label, fold), int(fold.max()) + 1
    order = np.argsort(-score, kind="stable")  # once, for all replicates
    score, label, keys, owners = score[order], label[order], keys[order], owners.reshape(-1, 2)[order]
    drawn: dict[str, list[np.ndarray]] = {}
    for weights in _draws(owners, people.size, replicates, np.random.default_rng(seed)):
        for name, values in _metrics(weights, score, label, fars).items():
            drawn.setdefault(name, []).append(values)
        for row in weights:
            accuracies, _ = cross_validate(fold_histogram(keys, n_folds, row))
            drawn.setdefault("accuracy", []).append(np.nanmean(accuracies, keepdims=True))
    tails = (50 * (1 - level), 50 * (1 + level))
    intervals = {name: _interval(np.concatenate(values), tails) for name, values in drawn.items()}
    return Bootstrap(intervals, "pairs" if identities is None else "identities", people.size, replicates, level)


def _interval(values: np.ndarray, tails: tuple[float, float]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, tails) if finite.size else (np.nan, np.nan)
    return float(low), float(high)


def _draws(owners: np.ndarray, people: int, replicates: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yields the pair weights (replicates, n) in chunks that fit in memory."""
    alone = owners[:, 0] == owners[:, 1]
    at_once = max(1, ELEMENTS_AT_ONCE // max(len(owners), people))
    for start in range(0, replicates, at_once):
        times = generator.multinomial(people, np.full(people, 1 / people), size=min(at_once, replicates - start))
        yield (times[:, owners[:, 0]] * np.where(alone, 1, times[:, owners[:, 1]])).astype(np.float64)


def _metrics(weights: np.ndarray, score: np.ndarray, same: np.ndarray, fars: Sequence[float]) -> dict[str, np.ndarray]:
    """Computes every metric except accuracy for weights (r, n) of pairs sorted by descending score.

    Each value is (r,), NaN if no genuine or no impostor pair was drawn.
    """
    ends = tie_ends(score)
    sums = {kind: np.cumsum(weights * which, axis=1)[:, ends] for kind, which in (("tar", same), ("far", ~same))}
    empty = (sums["tar"][:, -1] == 0) | (sums["far"][:, -1] == 0)
    with np.errstate(invalid="ignore"):
        rates = {kind: np.pad(total / total[:, -1:], ((0, 0), (1, 0))) for kind, total in sums.items()}
    far, tar = rates["far"], rates["tar"]
    values = {
        "eer": equal_error_rate(far, tar),
        "auc": auc(far, tar),
        "d_prime": d_prime(*_moments(weights * same, score), *_moments(weights * ~same, score)),
    }
    for level in fars:
        values[f"tar@{level:g}"] = np.take_along_axis(tar, last_within(far, level)[:, None], axis=1)[:, 0]
    return {name: np.where(empty, np.nan, value) for name, value in values.items()}


def _moments(weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ values / weights.sum(axis=1)
        return mean, weights @ np.square(values) / weights.sum(axis=1) - np.square(mean)
