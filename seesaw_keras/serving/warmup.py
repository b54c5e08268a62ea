"""Warm-up records: requests that TensorFlow Serving replays before a new version takes traffic.

>>> from seesaw_keras.serving.warmup import read_warmup
>>> [signature for signature, inputs in read_warmup("face/1")]  # doctest: +SKIP
['serving_default', 'pixels', 'encoded', 'compare']

Without them, the first client of each signature waits until TensorFlow has optimized its graph.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.conversion.interface import to_float

__all__ = ["WARMUP", "Request", "read_warmup", "require_protos", "warmup_requests", "write_warmup"]

WARMUP = "assets.extra/tf_serving_warmup_requests"  # where TensorFlow Serving looks for them in a version's folder
Request = tuple[str, dict[str, np.ndarray]]  # signature, inputs by name


def require_protos() -> None:
    """Raises ImportError with installation instructions if TensorFlow Serving's protos are not installed."""
    try:
        import tensorflow_serving.apis.prediction_log_pb2  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "tensorflow-serving-api is not installed: pip install 'seesaw_keras[serving]'; only the export "
            "needs it, not the server"
        ) from error


def warmup_requests(faces: npt.NDArray[np.uint8]) -> list[Request]:
    """Returns one request per signature.

    Args:
        faces: uint8 RGB (2, height, width, 3); signatures for one image get the first.
    """
    import tensorflow as tf

    first = faces[:1]
    return [
        ("serving_default", {"image": to_float(first)}),
        ("pixels", {"image": first}),
        ("encoded", {"image": np.array([tf.io.encode_png(first[0]).numpy()], dtype=object)}),
        ("compare", {"left": first, "right": faces[1:]}),
    ]


def write_warmup(version: Path, name: str, requests: Iterable[Request]) -> None:
    """Writes warm-up records, a TFRecord file of PredictionLog messages.

    Args:
        version: folder of a SavedModel.
        name: name of the model on the server.
        requests: see `warmup_requests`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = version / WARMUP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, inputs in requests:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for key, array in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            file.write(log.SerializeToString())


def read_warmup(version: str | Path) -> Iterator[Request]:
    """Reads the warm-up requests written by `write_warmup`.

    Args:
        version: folder of a SavedModel.
    """
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for record in tf.data.TFRecordDataset(str(Path(version) / WARMUP)).as_numpy_iterator():
        request: Any = PredictionLog.FromString(record).predict_log.request
        yield request.model_spec.signature_name, {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
