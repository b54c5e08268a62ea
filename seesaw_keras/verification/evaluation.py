"""Evaluation of an embedder on a set of pairs.

>>> import numpy as np
>>> from seesaw_keras.verification.evaluation import measure
>>> generator = np.random.default_rng(0)
>>> people = generator.normal(size=(60, 16)).repeat(2, axis=0)
>>> embeddings = people + generator.normal(size=people.shape) / 2
>>> left = np.arange(0, 120, 2)
>>> index = np.concatenate([np.stack([left, left + 1], 1), np.stack([left, (left + 3) % 120], 1)])
>>> names = [f"person{i // 2}/{i}.jpg" for i in range(120)]
>>> result = measure(embeddings, index, np.arange(120) < 60, folds=np.arange(120) % 10, names=names)
>>> round(100 * result.ten_fold.accuracy, 1), result.bootstrap.unit
(97.5, 'identities')
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.inference.embedders import Embedder, StoredEmbeddings
from seesaw_keras.verification import metrics
from seesaw_keras.verification.bootstrap import Bootstrap, bootstrap, identities_of
from seesaw_keras.verification.metrics import checked_pairs
from seesaw_keras.verification.protocols import (
    Identification,
    TenFold,
    contiguous_folds,
    fold_numbers,
    identify,
    pair_distances,
    pair_scores,
    ten_fold,
    unit,
)
from seesaw_keras.verification.threshold_calibration import calibrate, pairs_sha256

__all__ = ["Verification", "embed_images", "evaluate", "latency_ms", "measure"]

IMAGES_AT_ONCE = 32
LATENCY_RUNS = 50


@dataclass(frozen=True)
class Verification:
    """Verification results, with the arrays needed for plots and comparisons.

    Attributes:
        embeddings: (images, d) model outputs.
        same: (n,) True for genuine pairs.
        scores: (n,) cosines.
        ten_fold: accuracy with cross-validated thresholds.
        roc: ROC curve.
        eer: equal error rate, 0 to 1.
        auc: area under the ROC curve, 0 to 1.
        d_prime: d-prime, in standard deviations.
        tar_at_far: TAR at each of `metrics.FARS`.
        bootstrap: confidence intervals.
        identification: closed-set identification; None if identities are unknown or none has two images.
        far: target FAR of the threshold.
        calibration: calibration section of a model card for that FAR; None if there are too few pairs.
        calibration_note: reason if `calibration` is None, otherwise empty.
    """

    embeddings: np.ndarray
    same: np.ndarray
    scores: np.ndarray
    ten_fold: TenFold
    roc: metrics.Roc
    eer: float
    auc: float
    d_prime: float
    tar_at_far: tuple[metrics.TarAtFar, ...]
    bootstrap: Bootstrap
    identification: Identification | None
    far: float
    calibration: dict[str, Any] | None
    calibration_note: str

    @property
    def decision(self) -> tuple[float, str]:
        """Cosine threshold and its origin: the calibration if available, else the mean of the ten-fold thresholds."""
        if self.calibration is not None:
            return self.calibration["threshold"], f"FAR {self.far:g}"
        return 1 - float(np.mean(self.ten_fold.thresholds)) / 2, "best accuracy"

    def to_json(self) -> dict[str, Any]:
        """Returns all metrics as a JSON-serializable dictionary; accuracies and rates in percent, see key "units"."""
        found = self.identification
        return {
            "accuracy": 100 * self.ten_fold.accuracy,
            "accuracy_std": 100 * self.ten_fold.std,
            "fold_accuracies": (100 * self.ten_fold.accuracies).tolist(),
            "fold_thresholds": self.ten_fold.thresholds.tolist(),
            "eer": 100 * self.eer,
            "auc": self.auc,
            "d_prime": _finite(self.d_prime),
            "tar_at_far": [
                {
                    "far": point.far,
                    "tar": None if point.tar is None else 100 * point.tar,
                    "threshold": _finite(point.threshold),
                    "note": point.note,
                }
                for point in self.tar_at_far
            ],
            "identification": found
            and {
                **{f"rank_{rank}": 100 * rate for rank, rate in found.rates.items()},
                "probes": found.probes,
                "identities": found.identities,
            },
            "intervals": {name: _percent(name, ends) for name, ends in self.bootstrap.intervals.items()},
            "intervals_by": {
                "resampled": self.bootstrap.unit,
                "units": self.bootstrap.units,
                "replicates": self.bootstrap.replicates,
                "level": self.bootstrap.level,
            },
            "pairs": {"genuine": self.roc.genuine, "impostor": self.roc.impostor, "images": len(self.embeddings)},
            "calibration": self.calibration,
            "calibration_note": self.calibration_note,
            "units": {
                "percent": ["accuracy", "accuracy_std", "fold_accuracies", "eer", "tar_at_far.tar", "rank_k"],
                "share": ["auc", "tar_at_far.far", "calibration"],
                "squared distance of unit embeddings": ["fold_thresholds"],
                "cosine": ["tar_at_far.threshold", "calibration.threshold"],
                "standard deviations": ["d_prime"],
            },
        }


def _finite(value: float | None) -> float | None:
    """Returns None for infinity and NaN, which JSON does not support."""
    return value if value is not None and np.isfinite(value) else None


def _percent(name: str, ends: tuple[float, float]) -> list[float | None]:
    factor = 1 if name in ("auc", "d_prime") else 100
    return [_finite(factor * end) for end in ends]


def measure(
    embeddings: np.ndarray,
    index: np.ndarray,
    same: np.ndarray,
    *,
    folds: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    far: float = 1e-4,
    replicates: int = 1000,
    seed: int = 0,
    **facts: Any,
) -> Verification:
    """Computes all verification metrics from embeddings.

    Args:
        embeddings: (images, d), not necessarily normalized.
        index: (n, 2) image indices of each pair.
        same: (n,) True for genuine pairs.
        folds: (n,) fold of each pair; None for ten folds of consecutive pairs.
        names: (images,) paths whose folders give the identities. If None or without folders, identification is omitted
            and confidence intervals resample pairs.
        far: target FAR of the threshold.
        replicates: number of bootstrap replicates.
        seed: seed of the bootstrap.
        **facts: additional entries of the calibration section.

    Raises:
        ValueError: if an embedding is not finite or all zero, all labels are equal, an image index is out of range, or
            there are fewer pairs than folds.
    """
    index, same = np.asarray(index), np.asarray(same)
    rows = unit(embeddings, names)
    scores, distances = pair_scores(rows, index), pair_distances(rows, index)
    folds = contiguous_folds(scores.size) if folds is None else folds
    judged = ten_fold(distances, same, folds)
    curve = metrics.roc(scores, same)
    points = tuple(metrics.tar_at_far(curve, level) for level in metrics.FARS)
    owners = None if names is None else identities_of(names, index, same)
    calibration, note = None, ""
    try:
        calibration = calibrate(scores, same, far=far, **facts)
    except ValueError as error:
        note = str(error)
    same = same.astype(bool)
    genuine, impostor = scores[same], scores[~same]
    return Verification(
        embeddings=np.asarray(embeddings),
        same=same,
        scores=scores,
        ten_fold=judged,
        roc=curve,
        eer=float(metrics.equal_error_rate(curve.far, curve.tar)),
        auc=float(metrics.auc(curve.far, curve.tar)),
        d_prime=float(metrics.d_prime(genuine.mean(), genuine.var(), impostor.mean(), impostor.var())),
        tar_at_far=points,
        bootstrap=bootstrap(
            scores,
            distances,
            same,
            None if owners is None else owners[index],
            folds=folds,
            fars=[point.far for point in points if point.tar is not None],
            replicates=replicates,
            seed=seed,
        ),
        identification=None if owners is None else _search(rows, owners),
        far=far,
        calibration=calibration,
        calibration_note=note,
    )


def _search(rows: np.ndarray, owners: np.ndarray) -> Identification | None:
    """Runs identification with the first image of each identity as gallery and all other images as probes."""
    _, first = np.unique(owners, return_index=True)
    probes = np.setdiff1d(np.arange(len(rows)), first)
    return identify(rows[first], owners[first], rows[probes], owners[probes]) if probes.size else None


def embed_images(
    embedder: Embedder | StoredEmbeddings,
    pairs: Pairs,
    *,
    flip: bool = False,
    progress: Callable[[int], Any] | None = None,
) -> np.ndarray:
    """Returns the embeddings (images, d) of a set of pairs; each image is embedded once.

    Images are decoded ahead of the model in a separate thread.

    Args:
        embedder: the embedder; stored embeddings are looked up by name.
        pairs: the pairs.
        flip: whether to add the embedding of the mirrored image, as in InsightFace's evaluation.
        progress: called with the number of newly completed images.

    Raises:
        ValueError: if an image cannot be decoded or does not fit the model, a stored embedding is missing, or `flip`
            is used with stored embeddings.
    """
    if isinstance(embedder, StoredEmbeddings):
        if flip:
            raise ValueError(f"{embedder.name}: stored embeddings do not support flip")
        return embedder.lookup(pairs.names)
    rows = []
    for images, names in _decoded(pairs):
        made = embedder.embed_named(images, names)
        rows.append(made + embedder.embed_named([image[:, ::-1] for image in images], names) if flip else made)
        if progress is not None:
            progress(len(images))
    return np.concatenate(rows)


def _decoded(pairs: Pairs) -> Iterator[tuple[list[np.ndarray], Sequence[str]]]:
    """Yields batches of images with their names; decodes the next batch in the background."""

    def decode(start: int) -> tuple[list[np.ndarray], Sequence[str]]:
        names = pairs.names[start : start + IMAGES_AT_ONCE]
        return [decode_image(pairs.read(at), name=name) for at, name in enumerate(names, start)], names

    with ThreadPoolExecutor(1, "decode") as ahead:
        coming = ahead.submit(decode, 0)
        for start in range(0, len(pairs.names), IMAGES_AT_ONCE):
            batch = coming.result()
            coming = ahead.submit(decode, start + IMAGES_AT_ONCE)
            yield batch


def evaluate(
    embedder: Embedder | StoredEmbeddings,
    pairs: Pairs,
    *,
    flip: bool = False,
    far: float = 1e-4,
    replicates: int = 1000,
    seed: int = 0,
    data_set: str = "",
    progress: Callable[[int], Any] | None = None,
) -> Verification:
    """Embeds the images of a set of pairs and computes all verification metrics.

    Args:
        embedder: from `load_embedder` or `load_embedder_or_stored`.
        pairs: from `seesaw_keras.data.sources.open_pairs`.
        flip: whether to add the embedding of the mirrored image.
        far: target FAR of the threshold.
        replicates: number of bootstrap replicates.
        seed: seed of the bootstrap.
        data_set: name of the pairs in the calibration section.
        progress: called with the number of newly completed images.

    Raises:
        ValueError: see `embed_images` and `measure`; invalid pairs are rejected before embedding starts.
    """
    checked_pairs(np.zeros(len(pairs)), pairs.same)
    contiguous_folds(len(pairs))
    fold_numbers(pairs.folds, len(pairs))
    return measure(
        embed_images(embedder, pairs, flip=flip, progress=progress),
        pairs.index,
        pairs.same,
        folds=pairs.folds,
        names=pairs.names,
        far=far,
        replicates=replicates,
        seed=seed,
        data_set=data_set,
        pairs_sha256=pairs_sha256(pairs.names, pairs.index, pairs.same),
        embedder=embedder.name,
        preprocess=getattr(embedder, "preprocess", None),
        flip=flip,
    )


def latency_ms(embedder: Embedder, pairs: Pairs) -> dict[str, float]:
    """Returns the "min" and "median" time to embed one decoded image, in milliseconds, over 50 runs after a warm-up."""
    image = decode_image(pairs.read(0), name=pairs.names[0])[None]
    embedder.embed(image)
    taken = []
    for _ in range(LATENCY_RUNS):
        start = time.perf_counter()
        embedder.embed(image)
        taken.append(1000 * (time.perf_counter() - start))
    return {"min": float(np.min(taken)), "median": float(np.median(taken))}
