"""Comparison of two embedders on the same pairs, with McNemar's test.

>>> from seesaw_keras.verification.comparison import mcnemar
>>> round(mcnemar(only_first_right=1, only_second_right=9), 6)
0.021484

Useful after quantization, for example: the difference between two accuracies on the same pairs depends only on the few
pairs that exactly one of the two classifies correctly, which is far more sensitive than comparing confidence intervals.
"""

import math
from dataclasses import dataclass

import numpy as np

from seesaw_keras.verification.protocols import TenFold, unit

__all__ = ["COSINE_PERCENTILES", "Comparison", "compare", "mcnemar"]

COSINE_PERCENTILES = (0.1, 1.0, 5.0, 50.0)


@dataclass(frozen=True)
class Comparison:
    """Result of comparing a second embedder with a first.

    Attributes:
        accuracy_change: accuracy of the second minus the first, in percentage points.
        p_value: p-value of McNemar's exact test, under the hypothesis that both are equally accurate.
        lost: (k,) indices of pairs that only the first classifies correctly.
        gained: (k,) indices of pairs that only the second classifies correctly.
        cosine: "mean", "min" and percentiles ("p0.1", ...) of the cosine between the two embeddings of each image; None
            if their dimensions differ.
        farthest: index of the image with the lowest cosine; None if the dimensions differ.
    """

    accuracy_change: float
    p_value: float
    lost: np.ndarray
    gained: np.ndarray
    cosine: dict[str, float] | None
    farthest: int | None


def mcnemar(*, only_first_right: int, only_second_right: int) -> float:
    """Returns the two-sided p-value of McNemar's exact (binomial) test (McNemar 1947).

    Equals `scipy.stats.binomtest(only_first_right, only_first_right + only_second_right).pvalue`.
    """
    discordant = only_first_right + only_second_right
    fewer = min(only_first_right, only_second_right)
    if 2 * fewer == discordant:
        return 1.0
    logs = (
        math.lgamma(discordant + 1) - math.lgamma(k + 1) - math.lgamma(discordant - k + 1) for k in range(fewer + 1)
    )
    return min(1.0, 2 * math.fsum(math.exp(log - discordant * math.log(2)) for log in logs))


def compare(
    first: TenFold, second: TenFold, same: np.ndarray, first_embeddings: np.ndarray, second_embeddings: np.ndarray
) -> Comparison:
    """Compares two embedders, each with the thresholds of its own ten-fold protocol.

    Args:
        first: result of the baseline embedder.
        second: result of the embedder to compare, on the same pairs.
        same: (n,) True for genuine pairs.
        first_embeddings: (images, d).
        second_embeddings: (images, d') of the same images.

    Raises:
        ValueError: if the number of pairs or images differs; see also `unit`.
    """
    if first.accepted.shape != second.accepted.shape or len(first_embeddings) != len(second_embeddings):
        raise ValueError("both embedders must be evaluated on the same pairs and images")
    right, right_too = first.accepted == same, second.accepted == same
    lost, gained = np.flatnonzero(right & ~right_too), np.flatnonzero(~right & right_too)
    cosine, farthest = None, None
    if first_embeddings.shape == second_embeddings.shape:
        cosines = np.einsum("ij,ij->i", unit(first_embeddings), unit(second_embeddings))
        farthest = int(np.argmin(cosines))
        cosine = {"mean": float(cosines.mean()), "min": float(cosines.min())}
        cosine |= {f"p{at:g}": float(np.percentile(cosines, at)) for at in COSINE_PERCENTILES}
    return Comparison(
        100 * (second.accuracy - first.accuracy),
        mcnemar(only_first_right=lost.size, only_second_right=gained.size),
        lost,
        gained,
        cosine,
        farthest,
    )
