"""What ``keras`` is for this package; no other module decides it.

TensorFlow Model Optimization refuses Keras 3 models, so ``keras`` is ``tf_keras``. Networks and margins use only what
``tf_keras`` and Keras 3 share, and take from here the few tensor operations that the two spell differently.
"""

try:
    import tf_keras as keras
except ModuleNotFoundError as error:
    if error.name not in ("tensorflow", "tf_keras"):
        raise
    raise ImportError(
        f"Keras networks need {error.name}, which an installation for devices leaves out: pip install seesaw_keras "
        f"again, without --no-deps"
    ) from error

__all__ = ["keras", "reshape", "transpose"]

reshape = keras.backend.reshape
transpose = keras.backend.permute_dimensions
