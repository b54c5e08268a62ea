"""The single definition of ``keras`` for this package.

``keras`` is ``tf_keras``, because TensorFlow Model Optimization does not accept Keras 3 models. Networks and margins
use only the API that ``tf_keras`` and Keras 3 share, and import from here the few tensor operations whose names differ.
"""

try:
    import tf_keras as keras
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "tf_keras"):
        raise
    raise ImportError(
        f"Keras networks need {error.name}, which device installations omit: run pip install seesaw_keras again, "
        f"without --no-deps"
    ) from error

__all__ = ["keras", "reshape", "transpose"]

reshape = keras.backend.reshape
transpose = keras.backend.permute_dimensions
