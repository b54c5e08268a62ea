"""An int8 network as C++17 sources for a microcontroller: operators, arena, integer cosine, golden vectors.

>>> from seesaw_keras.tflite.micro import export, write_sources
>>> made = export(data, name="micro_int8.tflite")  # doctest: +SKIP
>>> write_sources("firmware/face", made)  # doctest: +SKIP
"""

from seesaw_keras.tflite.micro.folder import write_sources
from seesaw_keras.tflite.micro.sources import Export, export

__all__ = ["Export", "export", "write_sources"]
