"""Export of a Keras model as a new version for TensorFlow Serving.

>>> import seesaw_keras
>>> from seesaw_keras.serving import export_serving
>>> network = seesaw_keras.build("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
>>> export_serving(network, "serving", name="face", threshold=0.3)  # doctest: +SKIP
PosixPath('serving/face/1')
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

import seesaw_keras
from seesaw_keras.data.representative import representative_images
from seesaw_keras.native import quiet_native_stderr
from seesaw_keras.serving.configuration import models_config, write_configuration
from seesaw_keras.serving.signatures import make_signatures
from seesaw_keras.serving.versions import publish
from seesaw_keras.serving.warmup import read_warmup, require_protos, warmup_requests, write_warmup
from seesaw_keras.tflite.conversion.convert import input_shape, weights_sha256
from seesaw_keras.tflite.conversion.interface import to_float

__all__ = ["FACTS", "export_serving"]

FACTS = "assets.extra/seesaw_keras.json"  # TensorFlow Serving ignores unknown files there
ROUNDING = 1e-5  # minimum tolerated difference between embeddings of unit length
PERTURBATION = 0.05  # fraction of one pixel level


def export_serving(
    network: Any, out: str | Path, *, name: str, threshold: float, facts: dict[str, Any] | None = None
) -> Path:
    """Exports a network as a new version of a model, and adds missing server files next to it.

        OUT/models.config, batching_parameters.txt, examples/
        OUT/NAME/1/saved_model.pb, variables/          the signatures of `signatures.make_signatures`
        OUT/NAME/1/assets.extra/tf_serving_warmup_requests
        OUT/NAME/1/assets.extra/seesaw_keras.json      metadata

    The version is loaded and its warm-up requests are verified before it is published under its number. Older versions
    are kept; the server switches to the highest, and back if that is deleted.

    Args:
        network: a Keras model from (n, height, width, 3) RGB in [-1, 1] to (n, length).
        out: folder of all models.
        name: name of the model: letters, digits, `_`, `-`, `.`.
        threshold: minimum cosine of two faces of the same person, -1 to 1.
        facts: additional metadata to store, such as the variant.

    Returns:
        The version's folder.

    Raises:
        ImportError: tensorflow-serving-api is not installed.
        ValueError: the name, the threshold or the network is invalid, models.config is not valid, or the saved model's
            outputs differ from the network's.
    """
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise ValueError(f"invalid name {name!r}: use letters, digits, '_', '-' and '.'; the first not '-' or '.'")
    if not (math.isfinite(threshold) and -1 <= threshold <= 1):
        raise ValueError(f"threshold must be a cosine from -1 to 1, got {threshold}")
    require_protos()
    out = Path(out)
    models_config(out / "models.config", name)  # fails early if invalid; read again before it is written
    height, width, _ = input_shape(network)
    faces = representative_images(None, 2, side=max(height, width))[:, :height, :width]
    module, signatures = make_signatures(network, threshold)

    def write(folder: Path) -> None:
        _save(module, signatures, folder)
        write_warmup(folder, name, warmup_requests(faces))
        made_by = _facts(network, threshold) | (facts or {})
        (folder / FACTS).write_text(json.dumps(made_by, indent=2, allow_nan=False) + "\n", "utf-8")
        _verify_outputs(network, folder, faces)

    version = publish(out / name, write)
    write_configuration(out, name)
    return version


def _save(module: Any, signatures: dict[str, Any], folder: Path) -> None:
    import tensorflow as tf

    with quiet_native_stderr():
        tf.saved_model.save(module, str(folder), signatures=signatures)


def _facts(network: Any, threshold: float) -> dict[str, Any]:
    return {
        "package_version": seesaw_keras.__version__,
        "weights_sha256": weights_sha256(variable.numpy() for variable in network.variables),
        "threshold": threshold,
        "preprocessing": "(pixel - 127.5) / 127.5",
        "channels": "RGB",
        "input_size": list(input_shape(network)[:2]),
        "embedding_size": network.output_shape[1],
    }


def _verify_outputs(network: Any, folder: Path, faces: np.ndarray) -> None:
    """Replays the warm-up requests; raises ValueError if an output differs from that of the network.

    A graph sums in a different order than eager operations do, and each processor in its own. The effect on an
    embedding grows with the network's sensitivity, and so does the tolerance: the effect of changing the faces by
    PERTURBATION, which is below half a pixel level, the smallest difference that a wrong preprocessing makes.
    """
    import tensorflow as tf

    floats = to_float(faces)
    made, moved = (np.asarray(network(x, training=False), np.float64) for x in (floats, floats + PERTURBATION / 127.5))
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    tolerance = max(ROUNDING, np.abs((moved - made) / lengths).max())
    units = made / lengths
    expected = {"embedding": made[:1], "cosine": np.array([units[0] @ units[1]])}
    loaded = tf.saved_model.load(str(folder))
    for signature, inputs in read_warmup(folder):
        outputs = loaded.signatures[signature](**{key: tf.constant(array) for key, array in inputs.items()})
        for key in expected.keys() & outputs.keys():
            length = lengths[0] if key == "embedding" else 1.0
            difference = np.max(np.abs(outputs[key].numpy() - expected[key]) / length)
            if not difference <= tolerance:
                raise ValueError(f"signature {signature}: {key} differs from the network by {difference:.2g}")
