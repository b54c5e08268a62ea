"""Integer arithmetic of TensorFlow Lite's kernels: real factors as 32-bit integers and shifts, and how they round.

>>> import numpy as np
>>> from seesaw_keras.tflite.reference.arithmetic.fixed_point import Multiplier, quantize_multiplier
>>> quantize_multiplier(0.75)  # 0.75 = 1610612736 / 2**31
(1610612736, 0)
>>> Multiplier.of([0.75])(np.array([100, -2], np.int64)).tolist()
[75, -1]

A kernel sums products of integers in int32, and has to bring the sum to the scale of its output: a product with a real
factor, the same for every entry of a channel. On a microcontroller it is a product with an integer M in [2**30, 2**31),
of which the upper half is kept, and a shift: factor = M / 2**31 * 2**shift ("Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", arXiv 1712.05877, section 2.2). The names are those of
gemmlowp's fixedpoint.h and of TensorFlow Lite's kernels/internal/common.cc, built with double rounding, as in both
runtimes' wheels. Arrays are int64 here and hold int32 values, so that sums cannot leave the type unseen; where a kernel
lets int32 wrap around, `wrap` and `saturated` do.
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
    """Returns int64 values modulo 2**32, in int32's range, as an int32 register keeps them."""
    return values.astype(np.int32).astype(np.int64)


def doubling_high_mul(a: Ints, b: Ints | int) -> npt.NDArray[np.int64]:
    """Returns the upper half of the doubled product of two int32: a * b / 2**31, ties up.

    gemmlowp's SaturatingRoundingDoublingHighMul. It adds 2**30, or 1 - 2**30 to a negative product, and divides by
    2**31 towards zero; an arithmetic shift of product + 2**30 is the same for every product. It also saturates the
    square of -2**31, which no kernel asks for.
    """
    product = np.multiply(a, b, dtype=np.int64)
    product += 1 << 30
    product >>= 31
    return product


def rounding_divide_by_pot(values: Ints, exponent: Ints | int, out: npt.NDArray[np.int64] | None = None) -> Ints:
    """Returns values / 2**exponent, ties away from zero (gemmlowp's RoundingDivideByPOT).

    Args:
        values: any.
        exponent: 0 to 31, one or one an entry (broadcast).
        out: where to write it, such as `values`; new memory by default, which takes longer than the arithmetic.
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
    """Returns what a kernel writes of its last int32 values.

    Args:
        values: overwritten.
        zero_point: of the output, which is added; the sum wraps around in int32.
        low: the least integer, to which smaller ones are clamped.
        high: the greatest.
        dtype: of the output.
    """
    values += zero_point
    registers = values.astype(np.int32)
    return np.clip(registers, low, high, out=registers).astype(dtype)


def round_half_away(values: Floats) -> Floats:
    """Returns the nearest whole numbers, ties away from zero, as C's round(): NumPy's takes ties to even."""
    whole = np.trunc(values)
    return whole + np.copysign(np.abs(values - whole) >= 0.5, values).astype(values.dtype)


def to_int32(values: Floats) -> Ints:
    """Returns whole floating-point numbers as a cast to int32 makes them on x86: -2**31 for all that do not fit."""
    fits = (values >= INT32_MIN) & (values <= INT32_MAX)
    return np.where(fits, values, INT32_MIN).astype(np.int64)


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Returns M and shift of a real factor: factor = M / 2**31 * 2**shift (TensorFlow Lite's QuantizeMultiplier).

    Args:
        factor: positive, or 0; computed in the precision in which the kernel computes it.

    Returns:
        M in [2**30, 2**31), and the shift; (0, 0) for what is smaller than 2**-32.
    """
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)  # exact: the product has at most 53 bits, of them 22 fractional
    if multiplier == 1 << 31:
        multiplier, shift = multiplier >> 1, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


@dataclass(frozen=True)
class Multiplier:
    """One factor, or one a channel (TensorFlow Lite's MultiplyByQuantizedMultiplier).

    Attributes:
        multiplier: M of each; int64, shape (1,) or (channels,).
        shift: positive to the left; the same shape.
    """

    multiplier: Ints
    shift: Ints

    @classmethod
    def of(cls, factors: Iterable[float]) -> "Multiplier":
        """Makes one of real factors.

        Raises:
            ValueError: one is 2**31 or more.
        """
        pairs = [quantize_multiplier(float(factor)) for factor in factors]
        multipliers, shifts = np.array(pairs, np.int64).T
        if shifts.max() > 31:
            raise ValueError(f"a scale is 2**{shifts.max() - 1} steps of another; kernels shift by 31 bits at most")
        return cls(multipliers, shifts)

    @classmethod
    def of_integers(cls, multiplier: int, shift: int) -> "Multiplier":
        """Makes one of M and shift."""
        return cls(np.array([multiplier], np.int64), np.array([shift], np.int64))

    def __call__(self, values: Ints) -> Ints:
        """Returns values times the factor, rounded twice: ties up by the product, then away from zero by the shift.

        A shift to the left comes first, and what leaves int32 by it wraps around.

        Args:
            values: int32 values; the last axis is that of the channels.
        """
        left, right = np.maximum(self.shift, 0), np.maximum(-self.shift, 0)
        if left.any():
            values = wrap(values << left)
        high = doubling_high_mul(values, self.multiplier)
        return rounding_divide_by_pot(high, right, out=high) if right.any() else high
