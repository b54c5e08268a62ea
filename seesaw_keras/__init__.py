"""SeesawFaceNets (arXiv 1908.09124) for TensorFlow/Keras, down to proven int8 TensorFlow Lite Micro models.

>>> import seesaw_keras
>>> model = seesaw_keras.build("shuffle")

The public names are loaded when first used, so that importing the package costs no TensorFlow import.
"""

from typing import TYPE_CHECKING

from seesaw_keras import lazy
from seesaw_keras._version import __version__

if TYPE_CHECKING:
    from seesaw_keras.models import (
        build,
        count_madds,
        list_models,
        load_reference_weights,
        model_info,
        summary,
    )

__all__ = [
    "__version__",
    "build",
    "count_madds",
    "list_models",
    "load_reference_weights",
    "model_info",
    "summary",
]

__getattr__, __dir__ = lazy.attach(__name__, dict.fromkeys(__all__[1:], "seesaw_keras.models"))
