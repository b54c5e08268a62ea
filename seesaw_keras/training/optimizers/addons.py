"""Import of tensorflow-addons, which provides LAMB, RectifiedAdam, Lookahead and SWA.

>>> from seesaw_keras.training.optimizers.addons import import_addons
>>> import_addons().optimizers.LAMB(0.001)  # doctest: +SKIP

Its last release, 0.23 of November 2023, expects `tf.keras` and `keras` to be Keras 2. In TensorFlow 2.21 both are
Keras 3, and the import fails in `from keras.src.engine import keras_tensor`. Keras 2 is still available as `tf_keras`,
so during the import it is temporarily registered under the old names; afterwards `tf.keras` and `keras` are restored.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import tensorflow as tf

from seesaw_keras.api import keras

__all__ = ["import_addons"]

# The Keras 2 modules that tensorflow-addons imports by name, apart from its uses of `tf.keras`.
_OLD_NAMES = {
    "keras": "tf_keras",
    "keras.src": "tf_keras.src",
    "keras.src.engine": "tf_keras.src.engine",
    "keras.src.utils": "tf_keras.src.utils",
    "tensorflow.keras": "tf_keras",
    "tensorflow.keras.backend": "tf_keras.backend",
    "tensorflow.keras.callbacks": "tf_keras.callbacks",
    "tensorflow.keras.layers": "tf_keras.layers",
    "tensorflow.keras.metrics": "tf_keras.metrics",
    "tensorflow.keras.optimizers.legacy": "tf_keras.optimizers.legacy",
}


def import_addons() -> ModuleType:
    """Imports tensorflow-addons.

    Raises:
        ValueError: if it is not installed; the message explains how to install it and on which Python versions.
    """
    if importlib.util.find_spec("tensorflow_addons") is None:
        raise ValueError(
            "tensorflow-addons is not installed: pip install 'seesaw_keras[addons]' on Python 3.10 or 3.11, the "
            f"only versions that it supports (this is {sys.version_info.major}.{sys.version_info.minor}); without it, "
            "choose the optimizer sgd or adamw"
        )
    with _keras_2_as_keras(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # end-of-life and TensorFlow version warnings
        return importlib.import_module("tensorflow_addons")


@contextmanager
def _keras_2_as_keras() -> Iterator[None]:
    shown = {old: importlib.import_module(new) for old, new in _OLD_NAMES.items()}
    hidden = {old: sys.modules[old] for old in shown if old in sys.modules}
    tf_keras_attribute = tf.keras
    sys.modules.update(shown)
    tf.keras = keras
    try:
        yield
    finally:
        tf.keras = tf_keras_attribute
        for old in shown:
            del sys.modules[old]
        sys.modules.update(hidden)
