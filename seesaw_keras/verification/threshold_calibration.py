"""Threshold selection for a target FAR, and its storage in a model card.

>>> import numpy as np
>>> from seesaw_keras.verification.threshold_calibration import choose_threshold
>>> choose_threshold([0.9, 0.7, 0.4, 0.3, 0.1], [True, True, False, False, False], far=0.5)
0.4

A model card is a JSON object whose key "calibration" holds this section. A runtime can use it without this package:
accept a pair if the cosine of its embeddings is at least `calibration["threshold"]`.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seesaw_keras.files import replacing
from seesaw_keras.verification.metrics import roc, tar_at_far

__all__ = ["calibrate", "choose_threshold", "load_calibration", "pairs_sha256", "store_calibration"]


def choose_threshold(scores: ArrayLike, labels: ArrayLike, far: float = 1e-4) -> float:
    """Returns the lowest threshold whose FAR on the given pairs does not exceed `far`.

    Args:
        scores: (n,) similarities such as cosines; a pair is accepted if its score is at least the threshold.
        labels: (n,) True for genuine pairs.
        far: target false accept rate, in (0, 1].

    Raises:
        ValueError: if there are too few impostor pairs to measure that FAR, or no threshold achieves it; see also
            `checked_pairs`.
    """
    return float(calibrate(scores, labels, far=far)["threshold"])


def calibrate(scores: ArrayLike, labels: ArrayLike, *, far: float = 1e-4, **facts: Any) -> dict[str, Any]:
    """Returns the calibration section of a model card: metric, threshold, and the rates measured with it.

    Args:
        scores: (n,) cosines.
        labels: (n,) True for genuine pairs.
        far: target false accept rate, in (0, 1].
        **facts: further JSON-serializable entries, such as data_set, pairs_sha256 or preprocess.

    Returns:
        A dictionary with metric ("cosine"), threshold, far (target), measured_far and tar at that threshold (0 to 1),
        genuine_pairs, impostor_pairs, and `facts`.

    Raises:
        ValueError: see `choose_threshold`.
    """
    curve = roc(scores, labels)
    point = tar_at_far(curve, far)
    if point.threshold is None:
        raise ValueError(
            f"FAR {far:g} is {point.note}; use {_least_far(curve.impostor):g} or more, or give more impostor pairs"
        )
    if not np.isfinite(point.threshold):
        raise ValueError(f"no threshold reaches FAR {far:g}: too many impostor pairs share the highest score")
    at = int(np.searchsorted(-curve.thresholds, -point.threshold))
    return {
        "metric": "cosine",
        "threshold": point.threshold,
        "far": far,
        "measured_far": float(curve.far[at]),
        "tar": point.tar,
        "genuine_pairs": curve.genuine,
        "impostor_pairs": curve.impostor,
        **facts,
    }


def _least_far(impostors: int) -> float:
    """Returns the FAR of one false accept among the impostor pairs, rounded up to two or three digits."""
    indices = len(str(impostors)) + 1
    return float(f"{-(-(10**indices) // impostors)}e-{indices}")


def pairs_sha256(names: Sequence[str], index: np.ndarray, same: np.ndarray) -> str:
    """Returns the SHA-256 of a list of pairs, written as one line "name, tab, name, tab, 0 or 1" per pair."""
    digest = hashlib.sha256()
    for (left, right), label in zip(index.tolist(), same.tolist(), strict=True):
        digest.update(f"{names[left]}\t{names[right]}\t{int(label)}\n".encode())
    return digest.hexdigest()


def store_calibration(section: dict[str, Any], card: str | Path) -> None:
    """Stores a section in a model card under "calibration" and keeps all other entries.

    Args:
        section: result of `calibrate`.
        card: JSON file, created if it does not exist.

    Raises:
        ValueError: if the file exists and is not a JSON object.
    """
    path = Path(card)
    content = _read(path) if path.exists() else {}
    content["calibration"] = section
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load_calibration(card: str | Path) -> dict[str, Any]:
    """Loads the calibration section of a model card.

    Args:
        card: JSON file.

    Returns:
        The section, see `calibrate`; "threshold" is a cosine, -1 to 1.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is not a JSON object, or has no valid calibration section.
    """
    path = Path(card)
    section = _read(path).get("calibration")
    if not isinstance(section, dict):
        raise ValueError(f"{path}: contains no calibration; `seesaw evaluate --card` stores one")
    threshold: Any = section.get("threshold")
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if section.get("metric") != "cosine" or not number or not -1 <= threshold <= 1:
        raise ValueError(
            f"{path}: calibration: expected metric 'cosine' and a threshold from -1 to 1, got "
            f"{section.get('metric')!r} and {threshold!r}"
        )
    return section


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a model card: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a model card: not a JSON object")
    return content
