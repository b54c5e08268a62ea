"""A network's integers on the page: the arithmetic of LiteRT's reference kernels and of TensorFlow Lite Micro in NumPy.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.reference import Interpreter
>>> device = Interpreter(flatbuffer.read("shuffle_int8.tflite"), "micro")  # doctest: +SKIP
>>> every_tensor = device.tensors(images)  # doctest: +SKIP

One file a family of kernels; each says which kernel of TensorFlow Lite it equals, and where the two runtimes differ.
"""

from seesaw_keras.tflite.reference.interpreter import Interpreter
from seesaw_keras.tflite.reference.kernels import KERNELS
from seesaw_keras.tflite.reference.node import FLAVORS, Flavor, UnsupportedError

__all__ = ["FLAVORS", "KERNELS", "Flavor", "Interpreter", "UnsupportedError"]
