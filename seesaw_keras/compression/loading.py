"""Loads a network from a variant name, a .keras file, or a SavedModel (including quantization-aware networks).

>>> from seesaw_keras.compression.loading import load_network
>>> network = load_network("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.models.builder import build
from seesaw_keras.models.configs import list_models
from seesaw_keras.tflite.conversion.convert import load_saved_model

__all__ = ["load_network"]


def load_network(source: str | Path, *, weights: str | Path | None = None) -> Any:
    """Loads or builds a network.

    Args:
        source: a variant from `list_models()`, a .keras file, or a SavedModel folder.
        weights: weights for a variant, see `seesaw_keras.build`; None for random weights with seed 0.

    Returns:
        A `keras.Model`, or the result of `seesaw_keras.tflite.conversion.convert.load_saved_model`.

    Raises:
        FileNotFoundError: if `source` is not a variant, file or folder.
        ValueError: if it cannot be loaded, is a quantization-aware network in a .keras file, or `weights` is given for
            a file that has its own.
    """
    path = Path(source)
    if str(source) in list_models():
        keras.utils.set_random_seed(0)
        return build(str(source), weights=weights)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: not a file, a folder or a variant; the variants are {', '.join(list_models())}"
        )
    if weights is not None:
        raise ValueError(
            f"{path}: contains its own weights; give weights only for a variant: {', '.join(list_models())}"
        )
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ValueError(f"{path}: a folder without saved_model.pb is not a SavedModel")
        return load_saved_model(path)
    import seesaw_keras.models.layers  # noqa: F401  (registers this package's layers for loading)

    try:
        if not _is_quantization_aware(path):
            return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: {keras.__name__} cannot load it as a .keras file: {error}") from error
    # Keras saves the weights of TensorFlow Model Optimization wrappers twice and then fails to load them.
    raise ValueError(
        f"{path}: a quantization-aware network cannot be loaded from a .keras file; save it with "
        f"model.export(folder), and give the folder"
    )


def _is_quantization_aware(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read("config.json")).get("config", {}).get("layers", [])
    return any(str(layer.get("class_name", "")).startswith("Quantize") for layer in layers)
