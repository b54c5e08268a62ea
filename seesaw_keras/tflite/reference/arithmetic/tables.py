"""Lookup tables with 256 entries for functions of one 8-bit integer.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Tensor
>>> from seesaw_keras.tflite.reference.arithmetic.tables import look_up, table_of
>>> squares = table_of(Tensor("x", (4,), "INT8"), lambda x: x * x)
>>> look_up(squares, np.array([-128, -1, 0, 127], np.int8)).tolist()
[16384, 1, 0, 16129]
"""

from collections.abc import Callable

import numpy as np

from seesaw_keras.tflite.flatbuffer import Tensor
from seesaw_keras.tflite.reference.arithmetic.fixed_point import Ints
from seesaw_keras.tflite.reference.node import Array

__all__ = ["look_up", "table_of"]


def table_of(tensor: Tensor, function: Callable[[Ints], Array]) -> Array:
    """Returns a function's values for all possible entries of a tensor, ordered by the entries' unsigned byte values.

    Args:
        tensor: INT8 or UINT8 tensor.
        function: function of int64 integers.
    """
    return function(np.arange(256, dtype=np.uint8).view(tensor.dtype).astype(np.int64))


def look_up(table: Array, entries: Array) -> Array:
    """Returns the table value for every entry of an 8-bit array."""
    return table.take(entries.view(np.uint8))
