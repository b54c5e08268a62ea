"""Integer arithmetic of TensorFlow Lite's kernels: real factors as 32-bit integers and shifts, and their rounding.

>>> import numpy as np
>>> from seesaw_keras.tflite.reference.arithmetic.fixed_point import Multiplier, quantize_multiplier
>>> quantize_multiplier(0.75)  # 0.75 = 1610612736 / 2**31
(1610612736, 0)
>>> Multiplier.of([0.75])(np.array([100, -2], np.int64)).tolist()
[75, -1]

A kernel sums products of integers in int32 and rescales the sum to its output by a real factor, one per channel. On a
microcontroller this is a product with an integer M in [2**30, 2**31), of which the upper half is kept, and a shift:
factor = M / 2**31 * 2**shift ("Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", arXiv 1712.05877, section 2.2). The names follow gemmlowp's fixedpoint.h and TensorFlow Lite's
kernels/internal/common.cc, built with double rounding, as in both runtimes' wheels. Arrays are int64 and hold int32
values, so that sums do not overflow silently; where a kernel wraps around in int32, use `wrap` or `saturated`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "INT32_MAX",
    "INT32_MIN",
    "Multiplier",
    "doubling_high_mul",
    "quantize_multiplier",
    "round_half_away",
    "rounding_divide_by_pot",
    "saturated",
    "to_int32",
    "wrap",
]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.floating]
Rescaling = Callable[[Ints], Ints]

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def wrap(values: Ints) -> Ints:
    """Returns int64 values wrapped to int32, as in an int32 register."""
    return values.astype(np.int32).astype(np.int64)


def doubling_high_mul(a: Ints, b: Ints | int) -> npt.NDArray[np.int64]:
    """Returns the upper half of the doubled product of two int32 values: a * b / 2**31, ties up.

    gemmlowp's SaturatingRoundingDoublingHighMul. It adds 2**30 to a nonnegative product and 1 - 2**30 to a negative
    one, and divides by 2**31 toward zero; an arithmetic shift of product + 2**30 is equivalent. It also saturates the
    square of -2**31, which does not occur in kernels.
    """
    product = np.multiply(a, b, dtype=np.int64)
    product += 1 << 30
    product >>= 31
    return product


def rounding_divide_by_pot(values: Ints, exponent: Ints | int, out: npt.NDArray[np.int64] | None = None) -> Ints:
    """Returns values / 2**exponent, ties away from zero (gemmlowp's RoundingDivideByPOT).

    Args:
        values: integers.
        exponent: 0 to 31; a scalar or one per entry (broadcast).
        out: output array, such as `values`; a new one by default, whose allocation takes longer than the arithmetic.
    """
    half = (np.int64(1) << exponent) >> 1
    negative = (values < 0) & (half > 0)
    nudged = np.add(values, half, out=out)
    nudged -= negative
    nudged >>= exponent
    return nudged


def saturated(
    values: Ints, zero_point: int, low: int, high: int, dtype: npt.DTypeLike = np.int8
) -> npt.NDArray[np.integer]:
    """Returns a kernel's output for its final int32 values: zero point added, clamped and cast.

    Args:
        values: int32 values; overwritten.
        zero_point: zero point of the output; the addition wraps around in int32.
        low: lower clamping limit.
        high: upper clamping limit.
        dtype: output dtype.
    """
    values += zero_point
    registers = values.astype(np.int32)
    return np.clip(registers, low, high, out=registers).astype(dtype)


def round_half_away(values: Floats) -> Floats:
    """Rounds to the nearest integers, ties away from zero, as C's round(); NumPy rounds ties to even."""
    whole = np.trunc(values)
    return whole + np.copysign(np.abs(values - whole) >= 0.5, values).astype(values.dtype)


def to_int32(values: Floats) -> Ints:
    """Casts integral floating-point numbers to int32 as on x86: -2**31 for all that are out of range."""
    fits = (values >= INT32_MIN) & (values <= INT32_MAX)
    return np.where(fits, values, INT32_MIN).astype(np.int64)


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Returns M and shift of a real factor: factor = M / 2**31 * 2**shift (TensorFlow Lite's QuantizeMultiplier).

    Args:
        factor: nonnegative factor, computed in the kernel's precision.

    Returns:
        M in [2**30, 2**31), and the shift; (0, 0) for factors below 2**-32.
    """
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)  # exact: at most 53 bits, 22 of them fractional
    if multiplier == 1 << 31:
        multiplier, shift = multiplier >> 1, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


@dataclass(frozen=True)
class Multiplier:
    """One factor, or one per channel (TensorFlow Lite's MultiplyByQuantizedMultiplier).

    Attributes:
        multiplier: M of each factor; int64 of shape (1,) or (channels,).
        shift: shift of each factor, positive to the left; same shape.
    """

    multiplier: Ints
    shift: Ints

    @classmethod
    def of(cls, factors: Iterable[float]) -> "Multiplier":
        """Creates a multiplier from real factors.

        Raises:
            ValueError: a factor is 2**31 or more.
        """
        pairs = [quantize_multiplier(float(factor)) for factor in factors]
        multipliers, shifts = np.array(pairs, np.int64).T
        if shifts.max() > 31:
            raise ValueError(
                f"the ratio of scales is too large, 2**{shifts.max() - 1}: kernels shift by at most 31 bits"
            )
        return cls(multipliers, shifts)

    @classmethod
    def of_integers(cls, multiplier: int, shift: int) -> "Multiplier":
        """Creates a multiplier from M and shift."""
        return cls(np.array([multiplier], np.int64), np.array([shift], np.int64))

    def __call__(self, values: Ints) -> Ints:
        """Returns values times the factor, rounded twice: ties up by the product, then away from zero by the shift.

        A left shift is applied first and wraps around in int32.

        Args:
            values: int32 values; the last axis is the channel axis.
        """
        left, right = np.maximum(self.shift, 0), np.maximum(-self.shift, 0)
        if left.any():
            values = wrap(values << left)
        high = doubling_high_mul(values, self.multiplier)
        return rounding_divide_by_pot(high, right, out=high) if right.any() else high
