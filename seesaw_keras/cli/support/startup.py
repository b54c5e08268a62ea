"""Quiet startup of TensorFlow.

>>> from seesaw_keras.cli.support.startup import quiet_tensorflow
>>> quiet_tensorflow("phone.tflite")  # returns at once
"""

import os
from pathlib import Path

from absl import logging

from seesaw_keras.native import quiet_native_stderr

__all__ = ["quiet_tensorflow"]

_WITHOUT_TENSORFLOW = (".tflite", ".onnx", ".npy", ".npz")


def quiet_tensorflow(model: str | Path | None = None) -> None:
    """Imports TensorFlow without its startup messages about CPU features and missing GPUs.

    Args:
        model: the model to run; TensorFlow is not imported for files that do not need it (.tflite, .onnx, .npy, .npz).
    """
    if model is not None and Path(model).suffix in _WITHOUT_TENSORFLOW:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_native_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()  # the GPU search logs errors when there is no GPU
    tensorflow.get_logger().setLevel("ERROR")
    logging.set_verbosity(logging.WARNING)  # TensorFlow logs how long each checkpoint took to write
