"""An int8 network as C++17 sources for a microcontroller: operators, arena, integer cosine, golden vectors.

>>> from seesaw_keras.tflite.micro import export, write_sources
>>> made = export(data, name="micro_int8.tflite")  # doctest: +SKIP
>>> write_sources("firmware/face", made)  # doctest: +SKIP
"""

from seesaw_keras.tflite.micro.cpp_sources import Export, export
from seesaw_keras.tflite.micro.folder import write_sources

__all__ = ["Export", "export", "write_sources"]
