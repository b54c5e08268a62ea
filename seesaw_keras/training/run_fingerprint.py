"""Fingerprint of a training run: recipe, data, teacher and initial weights, as JSON.

>>> run_fingerprint(recipe, "shards", TrainingInput("shards", batch_size=192), None)["data"]["images"]  # doctest: +SKIP
490623
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.records import Source
from seesaw_keras.data.training_input import TrainingInput
from seesaw_keras.files import sha256_of
from seesaw_keras.training.recipe import Recipe

__all__ = ["run_fingerprint"]

_ROWS = 64


def run_fingerprint(
    recipe: Recipe,
    source: str | Path | Source,
    data: TrainingInput,
    teacher: npt.NDArray[np.floating] | None,
    weights: str | Path | None = None,
) -> dict[str, Any]:
    """Returns the fingerprint of a training run without reading its images.

    Args:
        recipe: the recipe; its `summary` is excluded.
        source: data source as for `train`; file names and sizes are included.
        data: the input pipeline over the source; the number and labels of the images are included.
        teacher: the teacher's embeddings or None; a sample of their rows is included.
        weights: file with the initial weights, or None.

    Returns:
        A JSON-serializable dictionary.
    """
    settings = {key: value for key, value in recipe.to_json().items() if key != "summary"}
    facts: dict[str, Any] = {
        "images": data.num_images,
        "identities": data.num_classes,
        "sha256_of_labels": hashlib.sha256(np.ascontiguousarray(data.source.labels(), "<i8").tobytes()).hexdigest(),
    }
    weights_of_images = data.source.weights()
    if weights_of_images is not None:
        facts["sha256_of_weights"] = hashlib.sha256(weights_of_images.astype("<f8").tobytes()).hexdigest()
    if not isinstance(source, Source):
        facts.update(fingerprint(source))
    result: dict[str, Any] = {"recipe": settings, "data": facts}
    if teacher is not None:
        rows = np.linspace(0, teacher.shape[1] - 1, _ROWS).astype(int)
        some = np.ascontiguousarray(teacher[:, rows], "<f4").tobytes()
        result["teacher"] = {"shape": list(teacher.shape), "sha256_of_some": hashlib.sha256(some).hexdigest()}
    if weights is not None:
        result["weights"] = {"sha256": sha256_of(weights)}
    return result
