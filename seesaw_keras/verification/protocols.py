"""Standard evaluation protocols for embeddings: ten-fold verification accuracy and closed-set identification.

>>> import numpy as np
>>> from seesaw_keras.verification.protocols import pair_distances, ten_fold, unit
>>> embeddings = unit(np.random.default_rng(0).normal(size=(40, 8)))
>>> distances = pair_distances(embeddings, np.arange(40).reshape(20, 2))
>>> ten_fold(distances, np.arange(20) % 2 == 0).accuracies.shape
(10,)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seesaw_keras.verification.metrics import checked_pairs

__all__ = [
    "THRESHOLDS",
    "Identification",
    "TenFold",
    "contiguous_folds",
    "identify",
    "interleaved",
    "pair_distances",
    "pair_scores",
    "ten_fold",
    "unit",
]

THRESHOLDS = np.arange(0, 4, 0.01)
PROBES_AT_ONCE = 1024
PAIRS_AT_ONCE = 4096


@dataclass(frozen=True)
class TenFold:
    """Accuracy with cross-validated thresholds.

    Attributes:
        accuracies: (folds,) accuracy of each fold, 0 to 1.
        thresholds: (folds,) squared distance below which the pairs of a fold are accepted.
        accepted: (n,) bool, whether each pair is accepted by the threshold of its fold.
    """

    accuracies: np.ndarray
    thresholds: np.ndarray
    accepted: np.ndarray

    @property
    def accuracy(self) -> float:
        """Mean over the folds, 0 to 1."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """Population standard deviation over the folds, as usually reported after "+-"."""
        return float(np.std(self.accuracies))


@dataclass(frozen=True)
class Identification:
    """Results of closed-set 1:N identification.

    Attributes:
        rates: rank-k identification rate, 0 to 1, by k.
        probes: number of probe images.
        identities: number of identities in the gallery.
    """

    rates: dict[int, float]
    probes: int
    identities: int


def unit(embeddings: ArrayLike, names: Sequence[str] | None = None) -> np.ndarray:
    """Returns L2-normalized embeddings (n, d), float64.

    Args:
        embeddings: (n, d), finite, without all-zero rows.
        names: (n,) names of the rows for the error message.

    Raises:
        ValueError: if the array is not two-dimensional, or a row is not finite or all zero.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"embeddings must have shape (images, length), got {rows.shape}")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if wrong.size:
        at = int(wrong[0])
        what = f"{at} ({names[at]})" if names is not None else str(at)
        why = "all zero" if lengths[at] == 0 else "not finite (NaN or infinity)"
        raise ValueError(
            f"embedding {what} is {why}; {wrong.size} of {len(rows)} embeddings are invalid: check the model and its "
            "preprocessing"
        )
    return rows / lengths[:, None]


def interleaved(embeddings: np.ndarray) -> np.ndarray:
    """Returns the index (n, 2) of pairs of consecutive embeddings, as in InsightFace's .bin files.

    Raises:
        ValueError: if the number of embeddings is odd.
    """
    if len(embeddings) % 2:
        raise ValueError(f"the number of embeddings must be even, got {len(embeddings)}")
    return np.arange(len(embeddings)).reshape(-1, 2)


def _by_parts(
    rows: np.ndarray, index: ArrayLike, function: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Applies `function` to both sides of the pairs in chunks of a few thousand, to limit memory use."""
    pairs = np.asarray(index)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not pairs.size:
        raise ValueError(f"pairs must be an index of shape (n, 2) into the embeddings, got shape {pairs.shape}")
    outside = pairs[(pairs < 0) | (pairs >= len(rows))]
    if outside.size:
        raise ValueError(f"a pair refers to embedding {outside[0]}, but there are {len(rows)}: some images are missing")
    parts = (pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE))
    return np.concatenate([function(rows[part[:, 0]], rows[part[:, 1]]) for part in parts])


def pair_scores(unit_rows: np.ndarray, index: ArrayLike) -> np.ndarray:
    """Returns the cosine (n,) of each pair of rows; `index` is (n, 2).

    Raises:
        ValueError: if there are no pairs or an index is out of range.
    """
    return _by_parts(unit_rows, index, lambda left, right: np.einsum("ij,ij->i", left, right))


def pair_distances(unit_rows: np.ndarray, index: ArrayLike) -> np.ndarray:
    """Returns the squared Euclidean distance (n,) of each pair of rows, computed as in the original code.

    Raises:
        ValueError: if there are no pairs or an index is out of range.
    """
    return _by_parts(unit_rows, index, lambda left, right: np.sum(np.square(np.subtract(left, right)), 1))


def contiguous_folds(pairs: int, folds: int = 10) -> np.ndarray:
    """Returns the fold (pairs,) of each pair, as in scikit-learn's `KFold(folds, shuffle=False)`.

    Raises:
        ValueError: if there are fewer pairs than folds, or fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"cross-validation needs at least two folds, got {folds}")
    if pairs < folds:
        raise ValueError(f"{pairs} pairs are fewer than the {folds} folds: give more pairs or fewer folds")
    small, larger = divmod(pairs, folds)
    return np.repeat(np.arange(folds), small + (np.arange(folds) < larger))


def ten_fold(distances: ArrayLike, same: ArrayLike, folds: ArrayLike | None = None) -> TenFold:
    """Computes the LFW ten-fold accuracy, exactly as InsightFace's and the original code do.

    A pair is accepted if its squared distance is below the threshold. Each fold is evaluated with the threshold from
    0, 0.01, ..., 3.99 that has the best accuracy on the other nine folds, the lowest in case of ties
    (`verifacation.py` of cvtower/seesawfacenet_pytorch, after facenet's `lfw.py`; LFW View 2, Huang et al. 2007).

    Args:
        distances: (n,) squared Euclidean distances of unit embeddings, 0 to 4.
        same: (n,) True for genuine pairs.
        folds: (n,) fold of each pair, any integers; None for ten folds of consecutive pairs.

    Raises:
        ValueError: see `checked_pairs` and `contiguous_folds`.
    """
    distance, label = checked_pairs(distances, same)
    fold = contiguous_folds(distance.size) if folds is None else fold_numbers(folds, distance.size)
    histogram = fold_histogram(fold_keys(distance, label, fold), int(fold.max()) + 1)
    accuracies, best = cross_validate(histogram)
    thresholds = THRESHOLDS[best]
    return TenFold(accuracies, thresholds, distance < thresholds[fold])


def fold_numbers(folds: ArrayLike, pairs: int) -> np.ndarray:
    """Renumbers folds as 0, 1, ...

    Raises:
        ValueError: if there is not one fold per pair, or fewer than two distinct folds.
    """
    found, numbers = np.unique(np.asarray(folds), return_inverse=True)
    if numbers.shape != (pairs,):
        raise ValueError(f"expected one fold for each of {pairs} pairs, got shape {numbers.shape}")
    if found.size < 2:
        raise ValueError("cross-validation needs at least two folds, got 1")
    return numbers


def fold_keys(distance: np.ndarray, same: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns each pair's flattened histogram index (fold, same, first threshold that accepts it)."""
    first = np.searchsorted(THRESHOLDS, distance, side="right")
    return (fold * 2 + same) * (THRESHOLDS.size + 1) + first


def fold_histogram(keys: np.ndarray, folds: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Returns the histogram (folds, 2, thresholds + 1) of pairs, or of their weights (n,), by `fold_keys`."""
    shape = (folds, 2, THRESHOLDS.size + 1)
    return np.bincount(keys, weights, minlength=int(np.prod(shape))).reshape(shape)


def cross_validate(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each fold's accuracy and threshold index, (..., folds), using the best threshold on all other folds.

    Args:
        histogram: (..., folds, 2, thresholds + 1) from `fold_histogram`. The accuracy of an empty fold is NaN.
    """
    accepted = np.cumsum(histogram, axis=-1)
    impostors = accepted[..., 0, -1:]
    size = impostors[..., 0] + accepted[..., 1, -1]
    right = accepted[..., 1, :-1] + (impostors - accepted[..., 0, :-1])
    elsewhere = right.sum(axis=-2, keepdims=True) - right
    best = np.argmax(elsewhere, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.take_along_axis(right, best[..., None], axis=-1)[..., 0] / size, best


def identify(
    gallery: np.ndarray,
    gallery_labels: ArrayLike,
    probes: np.ndarray,
    probe_labels: ArrayLike,
    ranks: Sequence[int] = (1, 5, 10),
) -> Identification:
    """Computes closed-set identification rates (NIST IR 8271); an identity's similarity is that of its best image.

    Ties count against the correct identity, so that a model with constant output does not score perfectly.

    Args:
        gallery: (g, d) unit embeddings in any order.
        gallery_labels: (g,) integers.
        probes: (p, d) unit embeddings.
        probe_labels: (p,) integers, each present in `gallery_labels`.
        ranks: values of k to report.

    Raises:
        ValueError: if there are no probes, or a probe's identity is not in the gallery.
    """
    owners, probe_owners = np.asarray(gallery_labels), np.asarray(probe_labels)
    if not len(probes):
        raise ValueError("identification needs at least one probe, that is, an identity with a second image")
    order = np.argsort(owners, kind="stable")
    identities, starts = np.unique(owners[order], return_index=True)
    missing = np.setdiff1d(probe_owners, identities)
    if missing.size:
        raise ValueError(f"identity {missing[0]} of a probe is not in the gallery (closed-set identification)")
    columns = np.searchsorted(identities, probe_owners)
    sorted_gallery = gallery[order].T
    found = np.zeros(len(probes), dtype=np.int64)
    for start in range(0, len(probes), PROBES_AT_ONCE):
        part = slice(start, start + PROBES_AT_ONCE)
        best = np.maximum.reduceat(probes[part] @ sorted_gallery, starts, axis=1)
        own = np.take_along_axis(best, columns[part, None], axis=1)
        found[part] = np.sum(best >= own, axis=1)
    return Identification({rank: float(np.mean(found <= rank)) for rank in ranks}, len(probes), identities.size)
