"""Reads, edits and writes TensorFlow Lite models as plain Python objects, fully bounds-checked and without TensorFlow.

>>> from seesaw_keras.tflite import flatbuffer
>>> model = flatbuffer.read("shuffle.tflite")  # doctest: +SKIP
>>> [operator.code for operator in model.main.operators][:2]  # doctest: +SKIP
['PAD', 'CONV_2D']
>>> model.description = "the same network"
>>> flatbuffer.write("copy.tflite", model)  # doctest: +SKIP
"""

from seesaw_keras.tflite.flatbuffer.model import (
    FlatbufferError,
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    build,
)
from seesaw_keras.tflite.flatbuffer.model_file import ModelFile, ModelSource
from seesaw_keras.tflite.flatbuffer.reader import loads, read
from seesaw_keras.tflite.flatbuffer.verifier import verify
from seesaw_keras.tflite.flatbuffer.writer import dumps, write

__all__ = [
    "FlatbufferError",
    "Model",
    "ModelFile",
    "ModelSource",
    "Operator",
    "Quantization",
    "Signature",
    "Subgraph",
    "Tensor",
    "build",
    "dumps",
    "loads",
    "read",
    "verify",
    "write",
]
