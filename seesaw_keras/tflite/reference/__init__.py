"""NumPy reference interpreter: bit-exact arithmetic of LiteRT's reference kernels and of TensorFlow Lite Micro.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.reference import Interpreter
>>> device = Interpreter(flatbuffer.read("shuffle_int8.tflite"), "tflm")  # doctest: +SKIP
>>> every_tensor = device.tensors(images)  # doctest: +SKIP

There is one module per kernel family; each names the TensorFlow Lite kernels it reproduces and documents where the two
runtimes differ.
"""

from seesaw_keras.tflite.reference.interpreter import Interpreter
from seesaw_keras.tflite.reference.kernels import KERNELS
from seesaw_keras.tflite.reference.node import FLAVORS, Flavor, UnsupportedError

__all__ = ["FLAVORS", "KERNELS", "Flavor", "Interpreter", "UnsupportedError"]
