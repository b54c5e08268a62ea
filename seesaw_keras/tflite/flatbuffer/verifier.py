"""Whether a model agrees with itself, before any native code sees it.

>>> from seesaw_keras.tflite.flatbuffer import verify
>>> verify(model)
"""

from seesaw_keras.tflite.flatbuffer.model import Model

__all__ = ["verify"]


def verify(model: Model, name: str = "model") -> None:
    """Checks a model."""
