"""Real functions in 32-bit fixed-point arithmetic, as computed on a microcontroller without floating point.

>>> import numpy as np
>>> from seesaw_keras.tflite.reference.arithmetic.fixed_point_functions import logistic
>>> round(int(logistic(np.array([1 << 27]))[0]) / 2**31, 6)  # of 1.0, which in Q4 is 2**27
0.731059

A step-by-step, bit-exact reimplementation of gemmlowp's fixedpoint.h and TensorFlow Lite's kernels/internal/common.h. A
number in Qm is an integer that represents integer / 2**(31 - m), with m integer bits. The product of numbers in Qm and
Qn is in Q(m+n). int64 arrays hold int32 values.
"""

import numpy as np

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    Ints,
    doubling_high_mul,
    rounding_divide_by_pot,
)

__all__ = [
    "exp_of_negative",
    "inverse_square_root",
    "leading_zeros",
    "logistic",
    "one_over_one_plus",
    "reciprocal",
    "rescale",
    "tanh",
]

ONE = INT32_MAX  # closest representable value to 1.0 in Q0

# exp(-2**k) in Q0, for k from -2 to 4.
_EXP = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}
_EXP_OF_MINUS_EIGHTH, _THIRD = 1895147668, 715827883  # Q0
_48_BY_17, _MINUS_32_BY_17 = 1515870810, -1010580540  # Q2: linear initial estimate of 1 / x for Newton's iteration
_HALF_SQRT_2 = 1518500250  # Q0


def rescale(values: Ints, bits: int) -> Ints:
    """Returns values with `bits` more integer bits; saturated if `bits` is negative (Rescale)."""
    if bits >= 0:
        return rounding_divide_by_pot(values, bits)
    return np.clip(values << -bits, INT32_MIN, INT32_MAX)


def leading_zeros(values: Ints) -> Ints:
    """Returns the number of leading zeros in 32 bits; values from 0 to 2**32 - 1."""
    return 32 - np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _exp_between_minus_quarter_and_0(a: Ints) -> Ints:
    """Taylor series of exp around -1/8, up to the fourth power; Q0 to Q0."""
    x = a + (1 << 28)
    x2 = doubling_high_mul(x, x)
    x3 = doubling_high_mul(x2, x)
    x4_by_4 = rounding_divide_by_pot(doubling_high_mul(x2, x2), 2)
    series = rounding_divide_by_pot(doubling_high_mul(x4_by_4 + x3, _THIRD) + x2, 1)
    return _EXP_OF_MINUS_EIGHTH + doubling_high_mul(x + series, _EXP_OF_MINUS_EIGHTH)


def exp_of_negative(a: Ints, bits: int) -> Ints:
    """Returns exp(a) in Q0 for a <= 0 in Qm (gemmlowp's exp_on_negative_values).

    A series gives exp of a modulo 1/4; it is multiplied by exp(-2**k) for every bit k of the rest.

    Args:
        a: nonpositive values.
        bits: m, at most 5.
    """
    fractional = 31 - bits
    quarter = 1 << (fractional - 2)
    small = (a & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_0(rescale(small, -bits))
    rest = small - a
    for k, factor in _EXP.items():
        if bits > k:
            result = np.where(rest & (1 << (fractional + k)), doubling_high_mul(result, factor), result)
    return np.where(a == 0, ONE, result)


def _newton(a: Ints) -> Ints:
    """2 / (1 + a) in Q2 for a from 0 to 1 in Q0, by three steps of Newton's iteration."""
    half_denominator = (a + ONE + 1) >> 1  # RoundingHalfSum
    x = _48_BY_17 + doubling_high_mul(half_denominator, _MINUS_32_BY_17)
    for _ in range(3):
        error = (1 << 29) - doubling_high_mul(half_denominator, x)  # 1 - x * half_denominator, in Q2
        x = x + rescale(doubling_high_mul(x, error), -2)
    return x


def one_over_one_plus(a: Ints) -> Ints:
    """Returns 1 / (1 + a) in Q0 for a from 0 to 1 in Q0 (one_over_one_plus_x_for_x_in_0_1)."""
    return rescale(_newton(a), -1)


def logistic(a: Ints) -> Ints:
    """Returns 1 / (1 + exp(-a)) in Q0 for a in Q4."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(a), 4))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, ONE - positive))


def tanh(a: Ints) -> Ints:
    """Returns the hyperbolic tangent in Q0 for a in Q4: (1 - e) / (1 + e) of e = exp(-2 |a|), with the sign of a."""
    e = exp_of_negative(-np.abs(a), 5)  # twice a in Q4 is a in Q5
    positive = rescale(_newton(e) - (1 << 29), -2)
    return np.where(a == 0, 0, np.where(a > 0, positive, -positive))


def reciprocal(values: Ints, bits: int) -> tuple[Ints, Ints]:
    """Returns 1 / values in Q0 times 2**exponent, and the exponent, for positive values in Qm (GetReciprocal).

    Args:
        values: positive.
        bits: m.
    """
    zeros = leading_zeros(values)
    return one_over_one_plus((values << zeros) - (1 << 31)), bits - zeros


def inverse_square_root(values: Ints) -> tuple[Ints, Ints]:
    """Returns M and shift of 1 / sqrt(values) (GetInvSqrtQuantizedMultiplierExp).

    Five steps of Newton's iteration in Q3.

    Args:
        values: 0 to 2**31 - 1; 0 is treated as 1.
    """
    # Shifting by two bits at a time brings values to [2**27, 2**29) and scales the root by a power of two.
    exponent = np.full(values.shape, 11, np.int64)
    scaled = values
    while (large := scaled >= 1 << 29).any():
        scaled = np.where(large, scaled >> 2, scaled)
        exponent += large
    pairs = np.maximum((leading_zeros(np.maximum(scaled, 1)) - 1) // 2 - 1, 0)
    exponent -= pairs
    half = (scaled << (2 * pairs)) >> 1
    quarter = rounding_divide_by_pot(half, 1)
    x = np.full(values.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = rescale(doubling_high_mul(doubling_high_mul(x, x), x), -6)
        x = rescale(doubling_high_mul(x, (1 << 28) + (1 << 27)) - doubling_high_mul(quarter, cube), -3)
    x = doubling_high_mul(x, _HALF_SQRT_2)
    x = np.where(exponent < 0, x << np.maximum(-exponent, 0), x)
    tiny = values <= 1
    return np.where(tiny, INT32_MAX, x), np.where(tiny, 0, -np.maximum(exponent, 0))
