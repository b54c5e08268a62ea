"""A network from whatever names one: a variant, a .keras file (quantization-aware ones too), a SavedModel.

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
from seesaw_keras.tflite.convert import load_saved_model

__all__ = ["load_network"]


def load_network(source: str | Path, *, weights: str | Path | None = None) -> Any:
    """Loads or builds a network.

    Args:
        source: a variant of `list_models()`, a .keras file, or the folder of a SavedModel.
        weights: of a variant; see `seesaw_keras.build`. None for random ones of seed 0.

    Returns:
        A `keras.Model`, or what `seesaw_keras.tflite.convert.load_saved_model` returns.

    Raises:
        FileNotFoundError: there is no such file or folder, and no such variant.
        ValueError: it does not load, or there are weights for what has its own.
    """
    path = Path(source)
    if str(source) in list_models():
        keras.utils.set_random_seed(0)
        return build(str(source), weights=weights)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: neither a file or folder nor a variant; the variants are {', '.join(list_models())}"
        )
    if weights is not None:
        raise ValueError(f"{path}: brings its own weights; weights are for a variant, {', '.join(list_models())}")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ValueError(f"{path}: a folder without saved_model.pb is not a SavedModel")
        return load_saved_model(path)
    try:
        if _is_quantization_aware(path):
            return _load_quantization_aware(path)
        import seesaw_keras.models.layers  # noqa: F401  (registers this package's layers for loading)

        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: {keras.__name__} cannot load it as a .keras file: {error}") from error


def _is_quantization_aware(path: Path) -> bool:
    """Whether a .keras file holds layers that TensorFlow Model Optimization wraps, whose import takes seconds."""
    with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
        config = json.load(file)
    layers = config.get("config", {}).get("layers", [])
    return any(str(layer.get("class_name", "")).startswith("Quantize") for layer in layers)


def _load_quantization_aware(path: Path) -> Any:
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras import quantize_layer

    from seesaw_keras.compression import quantize_configs

    class QuantizeLayer(quantize_layer.QuantizeLayer):  # its weights are found by the name of the class
        """Built once: loading builds a layer, calling it again, and then it has twice the weights of the file."""

        def build(self, input_shape: tuple) -> None:
            if not hasattr(self, "optimizer_step"):
                super().build(input_shape)

    configs = (getattr(quantize_configs, name) for name in quantize_configs.__all__ if name.endswith("Config"))
    known = {config.__name__: config for config in configs} | {"QuantizeLayer": QuantizeLayer}
    with tfmot.quantization.keras.quantize_scope(), keras.utils.custom_object_scope(known):
        return keras.models.load_model(path, compile=False)
