"""The field's protocols on embeddings: ten-fold accuracy and closed-set identification.

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
    """Accuracy by cross-validated threshold.

    Attributes:
        accuracies: (folds,) share of each fold's pairs judged rightly, 0 to 1.
        thresholds: (folds,) squared distance below which a fold's pairs were accepted.
        accepted: (n,) bool, how each pair was judged by the threshold of its own fold.
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
        """Population standard deviation over the folds, what the field prints after "+-"."""
        return float(np.std(self.accuracies))


@dataclass(frozen=True)
class Identification:
    """Closed-set 1:N search.

    Attributes:
        rates: share of probes whose identity is among the k most similar ones, 0 to 1, by k.
        probes: number of probe images.
        identities: number of identities in the gallery.
    """

    rates: dict[int, float]
    probes: int
    identities: int


def unit(embeddings: ArrayLike, names: Sequence[str] | None = None) -> np.ndarray:
    """Returns embeddings (n, d) as float64 rows of unit length.

    Args:
        embeddings: (n, d) finite numbers, no row all zero.
        names: (n,) what each row is of, for the error message.

    Raises:
        ValueError: not two-dimensional, or a row is not finite or all zero.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"embeddings must have the shape (images, length), got {rows.shape}")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if wrong.size:
        at = int(wrong[0])
        what = f"{at} ({names[at]})" if names is not None else str(at)
        why = "all zero" if lengths[at] == 0 else "not finite (NaN or infinity)"
        raise ValueError(
            f"embedding {what} is {why}, {wrong.size} of {len(rows)} embeddings are such: check the model and its "
            "preprocessing"
        )
    return rows / lengths[:, None]


def interleaved(embeddings: np.ndarray) -> np.ndarray:
    """Returns the index (n, 2) of pairs whose two embeddings follow each other, as in InsightFace's .bin files.

    Raises:
        ValueError: the number of embeddings is odd.
    """
    if len(embeddings) % 2:
        raise ValueError(f"{len(embeddings)} embeddings are an odd number: pairs need two each")
    return np.arange(len(embeddings)).reshape(-1, 2)


def _by_parts(rows: np.ndarray, index: ArrayLike, figure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Applies `figure` to the two sides of some thousand pairs at a time: a million pairs of rows take gigabytes."""
    pairs = np.asarray(index)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not pairs.size:
        raise ValueError(f"pairs are an index of shape (n, 2) into the embeddings, got shape {pairs.shape}")
    outside = pairs[(pairs < 0) | (pairs >= len(rows))]
    if outside.size:
        raise ValueError(f"a pair names embedding {outside[0]}, and there are {len(rows)}: some images are missing")
    parts = (pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE))
    return np.concatenate([figure(rows[part[:, 0]], rows[part[:, 1]]) for part in parts])


def pair_scores(unit_rows: np.ndarray, index: ArrayLike) -> np.ndarray:
    """Returns the cosine (n,) of each pair of rows; `index` is (n, 2).

    Raises:
        ValueError: there are no pairs, or one names a row that is not there.
    """
    return _by_parts(unit_rows, index, lambda left, right: np.einsum("ij,ij->i", left, right))


def pair_distances(unit_rows: np.ndarray, index: ArrayLike) -> np.ndarray:
    """Returns the squared Euclidean distance (n,) of each pair of rows, computed as the reference does.

    Raises:
        ValueError: there are no pairs, or one names a row that is not there.
    """
    return _by_parts(unit_rows, index, lambda left, right: np.sum(np.square(np.subtract(left, right)), 1))


def contiguous_folds(pairs: int, folds: int = 10) -> np.ndarray:
    """Returns the fold (pairs,) of each pair as scikit-learn's `KFold(folds, shuffle=False)` parts them.

    Raises:
        ValueError: there are fewer pairs than folds, or fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"cross-validation needs two folds at least, got {folds}")
    if pairs < folds:
        raise ValueError(f"{pairs} pairs are fewer than the {folds} folds: give more pairs or fewer folds")
    small, larger = divmod(pairs, folds)
    return np.repeat(np.arange(folds), small + (np.arange(folds) < larger))


def ten_fold(distances: ArrayLike, same: ArrayLike, folds: ArrayLike | None = None) -> TenFold:
    """Computes the accuracy that papers print for LFW, to the last digit of InsightFace's and the reference's code.

    A pair is accepted when its squared distance is below the threshold. Of the thresholds 0, 0.01, ... 3.99 the one
    with the best accuracy on nine folds, the lowest of equals, judges the tenth (`verifacation.py` of
    cvtower/seesawfacenet_pytorch, after facenet's `lfw.py`; LFW View 2, Huang et al. 2007).

    Args:
        distances: (n,) squared Euclidean distances of unit embeddings, 0 to 4.
        same: (n,) True for genuine pairs.
        folds: (n,) the fold of each pair, any integers; None for ten of consecutive pairs.

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
    """Renumbers folds 0, 1, ...

    Raises:
        ValueError: they are not one for each pair, or are fewer than two.
    """
    found, numbers = np.unique(np.asarray(folds), return_inverse=True)
    if numbers.shape != (pairs,):
        raise ValueError(f"one fold for each of {pairs} pairs is needed, got {numbers.shape}")
    if found.size < 2:
        raise ValueError("cross-validation needs two folds at least, got 1")
    return numbers


def fold_keys(distance: np.ndarray, same: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns for each pair the cell (fold, same, first threshold that accepts it) of the histogram, flattened."""
    first = np.searchsorted(THRESHOLDS, distance, side="right")
    return (fold * 2 + same) * (THRESHOLDS.size + 1) + first


def fold_histogram(keys: np.ndarray, folds: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts pairs, or sums their weights (n,), by `fold_keys`; returns (folds, 2, thresholds + 1)."""
    shape = (folds, 2, THRESHOLDS.size + 1)
    return np.bincount(keys, weights, minlength=int(np.prod(shape))).reshape(shape)


def cross_validate(histogram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns accuracy and threshold index (..., folds) of each fold by the best threshold of all the others.

    Args:
        histogram: (..., folds, 2, thresholds + 1) of `fold_histogram`. A fold without weight has the accuracy NaN.
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
    """Searches each probe among the gallery's identities; an identity is as similar as the best of its images.

    Other identities that are exactly as similar count as more similar, so that a model that says the same of
    everything does not identify everyone (closed-set identification, NIST IR 8271).

    Args:
        gallery: (g, d) unit embeddings, sorted in no way.
        gallery_labels: (g,) integers.
        probes: (p, d) unit embeddings.
        probe_labels: (p,) integers, each among the gallery's.
        ranks: the k to report.

    Raises:
        ValueError: there is no probe, or a probe's identity is not in the gallery.
    """
    owners, probe_owners = np.asarray(gallery_labels), np.asarray(probe_labels)
    if not len(probes):
        raise ValueError("identification needs one probe at least: an identity with a second image")
    order = np.argsort(owners, kind="stable")
    identities, starts = np.unique(owners[order], return_index=True)
    missing = np.setdiff1d(probe_owners, identities)
    if missing.size:
        raise ValueError(f"the probes' identity {missing[0]} is not in the gallery: closed-set search needs it there")
    columns = np.searchsorted(identities, probe_owners)
    sorted_gallery = gallery[order].T
    found = np.zeros(len(probes), dtype=np.int64)
    for start in range(0, len(probes), PROBES_AT_ONCE):
        part = slice(start, start + PROBES_AT_ONCE)
        best = np.maximum.reduceat(probes[part] @ sorted_gallery, starts, axis=1)
        own = np.take_along_axis(best, columns[part, None], axis=1)
        found[part] = np.sum(best >= own, axis=1)
    return Identification({rank: float(np.mean(found <= rank)) for rank in ranks}, len(probes), identities.size)
