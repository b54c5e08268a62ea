"""Less memory for the same integers: a graph computed in parts, in another order, each tensor in its place.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling import fit
>>> fit(flatbuffer.read("shuffle_hard.tflite"), 448 << 10)  # doctest: +SKIP

`tiles` computes a graph in parts: groups of channels where operators keep channels apart, which costs nothing but
operators, and strips of rows from the image on, which overlap (patch-based inference; MCUNetV2, arXiv 2110.15352,
section 3). `needs` knows what an operator reads for a part, `units` what can be tiled and how, `plan` how much of it a
wanted arena takes. `order` orders the operators, `memory` knows what TFLite Micro needs, `offsets` places the tensors,
`fit` does it all.
"""

from seesaw_keras.tflite.passes.tiling.fit import fit

__all__ = ["fit"]
