"""The threshold for a wanted FAR, and the section of a model card that stores it.

>>> import numpy as np
>>> from seesaw_keras.verification.threshold_calibration import choose_threshold
>>> choose_threshold([0.9, 0.7, 0.4, 0.3, 0.1], [True, True, False, False, False], far=0.5)
0.4

A model card is a JSON object; its key "calibration" holds this section, which a runtime needs nothing of this package
to read: accept a pair when the cosine of its embeddings is at least `calibration["threshold"]`.
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
    """Returns the lowest score from which on pairs can be accepted without exceeding a FAR on the pairs given.

    Args:
        scores: (n,) similarities, cosines for instance; a pair is accepted when its score is at least the threshold.
        labels: (n,) True for genuine pairs.
        far: the false accept rate wanted, above 0 and not above 1.

    Raises:
        ValueError: the impostor pairs are too few to measure that FAR, no threshold keeps it, or see `checked_pairs`.
    """
    return float(calibrate(scores, labels, far=far)["threshold"])


def calibrate(scores: ArrayLike, labels: ArrayLike, *, far: float = 1e-4, **facts: Any) -> dict[str, Any]:
    """Returns the section of a model card: what to compare, with which threshold, and what that gave on which pairs.

    Args:
        scores: (n,) cosines.
        labels: (n,) True for genuine pairs.
        far: the false accept rate wanted, above 0 and not above 1.
        **facts: further entries that JSON can hold, e.g. data_set, pairs_sha256, preprocess.

    Returns:
        metric ("cosine"), threshold, far (wanted), measured_far and tar at that threshold (shares, 0 to 1),
        genuine_pairs, impostor_pairs, and `facts`.

    Raises:
        ValueError: see `choose_threshold`.
    """
    curve = roc(scores, labels)
    point = tar_at_far(curve, far)
    if point.threshold is None:
        raise ValueError(
            f"FAR {far:g} is {point.note}; ask for {_least_far(curve.impostor):g} or more, or give more impostor pairs"
        )
    if not np.isfinite(point.threshold):
        raise ValueError(f"no threshold keeps FAR {far:g}: too many impostor pairs share the highest score")
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
    """Returns one false accept among so many impostor pairs, rounded up to two or three digits."""
    places = len(str(impostors)) + 1
    return float(f"{-(-(10**places) // impostors)}e-{places}")


def pairs_sha256(names: Sequence[str], index: np.ndarray, same: np.ndarray) -> str:
    """Returns the SHA-256 that tells one list of pairs from another: of a line "name, tab, name, tab, 0 or 1" each."""
    digest = hashlib.sha256()
    for (left, right), label in zip(index.tolist(), same.tolist(), strict=True):
        digest.update(f"{names[left]}\t{names[right]}\t{int(label)}\n".encode())
    return digest.hexdigest()


def store_calibration(section: dict[str, Any], card: str | Path) -> None:
    """Puts a section into a model card under "calibration", keeping all else that the card holds.

    Args:
        section: of `calibrate`.
        card: JSON file, made when there is none.

    Raises:
        ValueError: the file is there and is not a JSON object.
    """
    path = Path(card)
    content = _read(path) if path.exists() else {}
    content["calibration"] = section
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def load_calibration(card: str | Path) -> dict[str, Any]:
    """Returns the section of a model card that `store_calibration` stored.

    Args:
        card: JSON file.

    Returns:
        See `calibrate`; "threshold" is a cosine, -1 to 1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a JSON object, or holds no such section.
    """
    path = Path(card)
    section = _read(path).get("calibration")
    if not isinstance(section, dict):
        raise ValueError(f"{path}: holds no calibration; tools/evaluate.py --card stores one")
    threshold: Any = section.get("threshold")
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if section.get("metric") != "cosine" or not number or not -1 <= threshold <= 1:
        raise ValueError(
            f"{path}: calibration: a metric 'cosine' and a threshold of -1 to 1 are needed, not "
            f"{section.get('metric')!r} and {threshold!r}"
        )
    return section


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a model card, because not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a model card, because not a JSON object")
    return content
