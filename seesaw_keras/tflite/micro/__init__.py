"""C++17 sources that run an int8 network on a microcontroller: operators, arena, integer cosine, golden vectors.

>>> from seesaw_keras.tflite.micro import export, write_sources
>>> made = export("micro_int8.tflite")  # doctest: +SKIP
>>> write_sources("firmware/face", made)  # doctest: +SKIP
"""

from seesaw_keras.tflite.micro.cpp_sources import Export, export
from seesaw_keras.tflite.micro.folder import write_sources

__all__ = ["Export", "export", "write_sources"]
