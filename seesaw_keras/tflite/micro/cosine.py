"""Exact reference, in Python integers, for the cosine that the firmware computes.

>>> import numpy as np
>>> from seesaw_keras.tflite.micro.cosine import cosine_q15
>>> cosine_q15(np.array([4, 0], np.int8), np.array([3, 3], np.int8))  # 32768 * cos(45 degrees) = 23170.47...
23170
"""

from math import isqrt

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST_EMBEDDING", "ONE_Q15", "cosine_q15"]

ONE_Q15 = 1 << 15
# Entries differ from the zero point by 255 at most; the sum of this many squares fits into int32.
LONGEST_EMBEDDING = (2**31 - 1) // 255**2


def cosine_q15(left: npt.NDArray[np.int8], right: npt.NDArray[np.int8], zero_point: int = 0) -> int:
    """Returns the cosine of two quantized embeddings in units of 1/32768, rounded down.

    With rounding down, the result reaches an integer threshold exactly when the cosine does.

    Args:
        left: int8 (length,).
        right: int8 (length,).
        zero_point: zero point of both, -128 to 127.

    Returns:
        -32768 to 32768; 0 if an embedding is all zeros.
    """
    a, b = ((row.astype(np.int64) - zero_point) for row in (left, right))
    dot, squares = int(a @ b), int(a @ a) * int(b @ b)
    if dot == 0:
        return 0
    scaled = dot**2 * ONE_Q15**2
    # For integer n: n <= sqrt(x) where n <= sqrt(floor(x)), and n >= sqrt(x) where n > sqrt(ceil(x) - 1).
    return isqrt(scaled // squares) if dot > 0 else -isqrt((scaled - 1) // squares) - 1
