"""Reduces peak memory bit-exactly: computes a graph in parts, reorders operators and plans tensor offsets.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling import fit
>>> fit(flatbuffer.read("shuffle_hard.tflite"), 448 << 10)  # doctest: +SKIP

`tiles` computes a graph in parts: groups of channels where operators are channelwise, which costs only additional
operators, and overlapping strips of rows starting from the image (patch-based inference; MCUNetV2, arXiv 2110.15352,
section 3). `required_inputs` gives the inputs that an operator reads for a part, `units` the tensors that can be tiled
and their layouts, `plan` the tiling that a given arena requires. `operator_order` orders the operators, `memory` models
TFLite Micro's memory use, `offsets` plans the tensors' offsets, and `fit` combines them all.
"""

from seesaw_keras.tflite.passes.tiling.fit import fit

__all__ = ["fit"]
