"""Verification metrics: ROC, AUC, EER, TAR at FAR, and d-prime. Requires only NumPy.

>>> from seesaw_keras.verification.metrics import auc, equal_error_rate, roc, tar_at_far
>>> curve = roc([0.9, 0.8, 0.3, 0.1], [True, True, False, False])
>>> float(auc(curve.far, curve.tar)), float(equal_error_rate(curve.far, curve.tar))
(1.0, 0.0)
>>> tar_at_far(curve, 0.1).note
'not measurable: only 2 impostor pairs'

A *score* is a similarity (the cosine of two embeddings): a pair is accepted if its score is at least the threshold.
TAR (true accept rate) is the fraction of genuine pairs accepted, FAR (false accept rate) the fraction of impostor pairs
accepted; ISO/IEC 19795-1 calls them 1 - FNMR and FMR.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["FARS", "Roc", "TarAtFar", "auc", "checked_pairs", "d_prime", "equal_error_rate", "roc", "tar_at_far"]

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class Roc:
    """ROC curve: every operating point from "accept none" to "accept all"; all arrays are (points,) float64.

    Attributes:
        far: fraction of impostor pairs accepted, 0 to 1, ascending.
        tar: fraction of genuine pairs accepted, 0 to 1, ascending.
        thresholds: score thresholds, descending; the first is infinite.
        genuine: number of genuine pairs.
        impostor: number of impostor pairs.
    """

    far: np.ndarray
    tar: np.ndarray
    thresholds: np.ndarray
    genuine: int
    impostor: int


@dataclass(frozen=True)
class TarAtFar:
    """TAR at a given FAR.

    Attributes:
        far: the target FAR.
        tar: the largest TAR whose FAR does not exceed the target; None if not measurable.
        threshold: the score threshold of that operating point; None if not measurable.
        note: reason if not measurable, otherwise empty.
    """

    far: float
    tar: float | None
    threshold: float | None
    note: str = ""


def checked_pairs(scores: ArrayLike, same: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores as float64 and labels as bool, both (n,).

    Raises:
        ValueError: if there are no pairs, the number of scores and labels differs, a score is not finite, a label is
            not 0 or 1, or all labels are equal.
    """
    score, label = np.asarray(scores, dtype=np.float64), np.asarray(same)
    if score.ndim != 1 or score.shape != label.shape:
        raise ValueError(f"expected one score and one label per pair, got shapes {score.shape}, {label.shape}")
    if not score.size:
        raise ValueError("there are no pairs to evaluate")
    if not np.isfinite(score).all():
        at = int(np.flatnonzero(~np.isfinite(score))[0])
        raise ValueError(f"score {at} is {score[at]}: remove pairs without finite embeddings first")
    if not np.isin(label, (0, 1)).all():
        raise ValueError("labels must be True or 1 for the same person, False or 0 for different people")
    label = label.astype(bool)
    if label.all() or not label.any():
        raise ValueError(
            f"all {label.size} pairs have the label {bool(label[0])}: both genuine and impostor pairs are needed"
        )
    return score, label


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """Computes the ROC curve in O(n log n).

    Pairs with equal scores form a single point, because no threshold separates them. The points are the same as those
    of `sklearn.metrics.roc_curve(same, scores, drop_intermediate=False)`.

    Args:
        scores: (n,) similarities, finite.
        same: (n,) True for genuine pairs, False for impostors.

    Raises:
        ValueError: see `checked_pairs`.
    """
    score, label = checked_pairs(scores, same)
    order = np.argsort(-score, kind="stable")
    score, label = score[order], label[order]
    ends = tie_ends(score)
    accepted = ends + 1
    genuine_accepted = np.cumsum(label)[ends]
    genuine = int(genuine_accepted[-1])
    impostor = score.size - genuine
    return Roc(
        far=np.concatenate(([0.0], (accepted - genuine_accepted) / impostor)),
        tar=np.concatenate(([0.0], genuine_accepted / genuine)),
        thresholds=np.concatenate(([np.inf], score[ends])),
        genuine=genuine,
        impostor=impostor,
    )


def tie_ends(sorted_scores: np.ndarray) -> np.ndarray:
    """Returns the index of the last element of each run of equal scores."""
    return np.append(np.flatnonzero(np.diff(sorted_scores)), sorted_scores.size - 1)


def auc(far: np.ndarray, tar: np.ndarray) -> Any:
    """Returns the area under the ROC curve along the last axis by the trapezoidal rule.

    Equals P(genuine score > impostor score) + P(equal scores) / 2.
    """
    return np.sum(np.diff(far, axis=-1) * (tar[..., 1:] + tar[..., :-1]), axis=-1) / 2


def equal_error_rate(far: np.ndarray, tar: np.ndarray) -> Any:
    """Returns the point along the last axis where FAR equals 1 - TAR, with linear interpolation between points.

    Equals `brentq(lambda x: 1 - x - interp1d(far, tar)(x), 0, 1)`.
    """
    gap = far - (1 - tar)
    right = np.argmax(gap >= 0, axis=-1)[..., None]
    low, high = (np.take_along_axis(gap, at, axis=-1) for at in (right - 1, right))
    from_, to = (np.take_along_axis(far, at, axis=-1) for at in (right - 1, right))
    # Clip to the segment, because rounding could move the point beyond it.
    return np.clip(from_ + (to - from_) * low / (low - high), from_, to)[..., 0]


def d_prime(
    genuine_mean: ArrayLike, genuine_variance: ArrayLike, impostor_mean: ArrayLike, impostor_variance: ArrayLike
) -> Any:
    """Returns the distance between the two means divided by the root mean variance (Daugman 2000, "decidability").

    Infinite if neither genuine nor impostor scores vary.
    """
    spread = np.sqrt((np.asarray(genuine_variance) + np.asarray(impostor_variance)) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(np.abs(np.subtract(genuine_mean, impostor_mean)), spread)


def last_within(far: np.ndarray, level: float) -> Any:
    """Returns the index of the last point whose FAR does not exceed `level`, along the last axis."""
    return np.sum(far <= level, axis=-1) - 1


def tar_at_far(curve: Roc, far: float) -> TarAtFar:
    """Returns the largest TAR whose FAR does not exceed `far`, without interpolation.

    A FAR that corresponds to less than one false accept is reported as not measurable: with 3,000 impostor pairs, 1e-3
    is three false accepts and 1e-4 is none.

    Raises:
        ValueError: if `far` is not in (0, 1].
    """
    if not 0 < far <= 1:
        raise ValueError(f"FAR must be above 0 and at most 1, got {far}")
    if 1 / curve.impostor > far:
        return TarAtFar(far, None, None, f"not measurable: only {curve.impostor} impostor pairs")
    at = last_within(curve.far, far)
    return TarAtFar(far, float(curve.tar[at]), float(curve.thresholds[at]))
