"""Export of networks for TensorFlow Serving, which runs without this package; public names are loaded on first use.

>>> from seesaw_keras.serving import export_serving
>>> export_serving(network, "serving", name="face", threshold=0.3)  # doctest: +SKIP
PosixPath('serving/face/1')
"""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.serving.export import export_serving
    from seesaw_keras.serving.warmup import read_warmup

_MODULES = {"export_serving": "export", "read_warmup": "warmup"}

__all__ = ["export_serving", "read_warmup"]

__getattr__, __dir__ = lazy.attach(
    __name__, {name: f"seesaw_keras.serving.{module}" for name, module in _MODULES.items()}
)
