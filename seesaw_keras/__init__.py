"""SeesawFaceNets (arXiv 1908.09124) for TensorFlow/Keras, down to proven int8 TensorFlow Lite Micro models.

>>> import seesaw_keras
>>> model = seesaw_keras.build("shuffle")

The public names are loaded when first used, so that importing the package costs no TensorFlow import.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seesaw_keras.models import (
        build,
        count_madds,
        list_models,
        load_reference_weights,
        model_info,
        summary,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "build",
    "count_madds",
    "list_models",
    "load_reference_weights",
    "model_info",
    "summary",
]

_HOME = dict.fromkeys(__all__[1:], "seesaw_keras.models")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
