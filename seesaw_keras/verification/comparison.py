"""Two embedders on the same pairs: what changed, and whether it is more than chance.

>>> from seesaw_keras.verification.comparison import mcnemar
>>> round(mcnemar(only_first_right=1, only_second_right=9), 6)
0.021484

The question after quantization: the difference of two accuracies on the same pairs is decided by the few pairs that
only one of the two judges rightly, which is far sharper than comparing two confidence intervals.
"""

import math
from dataclasses import dataclass

import numpy as np

from seesaw_keras.verification.protocols import TenFold, unit

__all__ = ["COSINE_PERCENTILES", "Comparison", "compare", "mcnemar"]

COSINE_PERCENTILES = (0.1, 1.0, 5.0, 50.0)


@dataclass(frozen=True)
class Comparison:
    """A second embedder against a first.

    Attributes:
        accuracy_change: second minus first, in percentage points.
        p_value: of McNemar's exact test: how likely a split at least as uneven is if both were equally good.
        lost: (k,) pairs that only the first judges rightly.
        gained: (k,) pairs that only the second judges rightly.
        cosine: "mean", "min" and percentiles ("p0.1", ...) of the cosine between the two embeddings of each image; None
            where their lengths differ.
        farthest: the image with the least cosine; None likewise.
    """

    accuracy_change: float
    p_value: float
    lost: np.ndarray
    gained: np.ndarray
    cosine: dict[str, float] | None
    farthest: int | None


def mcnemar(*, only_first_right: int, only_second_right: int) -> float:
    """Returns the two-sided p-value of McNemar's test by the exact binomial distribution (McNemar 1947).

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
    """Compares two embedders; each judges a pair by the threshold of its own ten-fold protocol.

    Args:
        first: the embedder compared with.
        second: the embedder compared, on the same pairs.
        same: (n,) True for genuine pairs.
        first_embeddings: (images, d).
        second_embeddings: (images, d') of the same images.

    Raises:
        ValueError: the two were not measured on the same number of pairs or images; or see `unit`.
    """
    if first.accepted.shape != second.accepted.shape or len(first_embeddings) != len(second_embeddings):
        raise ValueError("both embedders must be measured on the same pairs and images")
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
