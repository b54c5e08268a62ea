"""The primitives against their definitions in C, spelled out with Python's integers and fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.reference.arithmetic.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    Multiplier,
    doubling_high_mul,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturated,
    to_int32,
    wrap,
)

INT32 = st.integers(INT32_MIN, INT32_MAX)
FACTORS = st.floats(2.0**-40, 2.0**30, allow_nan=False)
HURRIED = settings(max_examples=300, derandomize=True, deadline=None)


def _array(*values):
    return np.array(values, np.int64)


def _towards_zero(numerator, denominator):
    return abs(numerator) // denominator * (1 if numerator >= 0 else -1)


def _c_high_mul(a, b):
    nudge = 1 << 30 if a * b >= 0 else 1 - (1 << 30)
    return _towards_zero(a * b + nudge, 1 << 31)


def _half_away(fraction):
    whole = math.floor(abs(fraction) + Fraction(1, 2))
    return whole if fraction >= 0 else -whole


@HURRIED
@given(a=INT32, b=INT32)
def test_high_mul(a, b):
    assert doubling_high_mul(_array(a), b).tolist() == [_c_high_mul(a, b)]


@pytest.mark.parametrize("product", [-(1 << 30), (1 << 30), -(1 << 30) - 1, -(3 << 30), (3 << 30)])
def test_high_mul_at_ties(product):
    assert doubling_high_mul(_array(product // 2), 2).tolist() == [_c_high_mul(product // 2, 2)]


@HURRIED
@given(value=st.one_of(INT32, st.integers(-9, 9)), exponents=st.lists(st.integers(0, 31), min_size=1))
def test_divide_by_power_of_two(value, exponents):
    expected = [_half_away(Fraction(value, 1 << exponent)) for exponent in exponents]
    made = rounding_divide_by_pot(np.full(len(exponents), value, np.int64), np.array(exponents, np.int64))
    assert made.tolist() == expected
    assert rounding_divide_by_pot(_array(value), exponents[0]).tolist() == expected[:1]


@HURRIED
@given(factor=FACTORS)
def test_multiplier_of_a_factor(factor):
    multiplier, shift = quantize_multiplier(factor)
    if factor < 2.0**-32:
        assert (multiplier, shift) == (0, 0)
    else:
        assert 1 << 30 <= multiplier < 1 << 31
        assert abs(Fraction(multiplier, 1 << 31) * Fraction(2) ** shift / Fraction(factor) - 1) <= Fraction(1, 1 << 31)


def test_factor_just_under_a_power_of_two():
    assert quantize_multiplier(math.nextafter(1, 0)) == (1 << 30, 1)


@HURRIED
@given(value=st.integers(-(1 << 24), 1 << 24), factor=FACTORS)
def test_multiplier_rounds_twice(value, factor):
    multiplier, shift = quantize_multiplier(factor)
    shifted = value << max(shift, 0)
    shifted = (shifted + (1 << 31)) % (1 << 32) - (1 << 31)
    expected = _half_away(Fraction(_c_high_mul(shifted, multiplier), 1 << max(-shift, 0)))
    assert Multiplier.of([factor])(_array(value)).tolist() == [expected]


def test_multipliers_of_channels():
    values = np.arange(-600, 600).reshape(-1, 3)
    factors = [0.3, 5.5, 2.0**-20]
    made = Multiplier.of(factors)(values)
    for channel, factor in enumerate(factors):
        np.testing.assert_array_equal(made[:, channel], Multiplier.of([factor])(values[:, channel]))


def test_factors_beyond_int32_are_refused():
    with pytest.raises(ValueError, match="kernels shift by at most 31 bits"):
        Multiplier.of([0.5, 2.0**31])


@HURRIED
@given(values=st.lists(st.floats(-(2.0**40), 2.0**40), min_size=1), wide=st.booleans())
def test_rounding_of_real_numbers(values, wide):
    array = np.array(values, np.float64 if wide else np.float32)
    assert round_half_away(array).tolist() == [_half_away(Fraction(value)) for value in array.tolist()]


def test_rounding_where_adding_a_half_would_not_do():
    below_half = np.nextafter(0.5, 0)
    odd = 2.0**52 + 1
    assert round_half_away(np.array([below_half, -below_half, 0.5, -0.5, odd])).tolist() == [0, 0, 1, -1, odd]


@HURRIED
@given(value=st.integers(-(1 << 40), 1 << 40))
def test_int32(value):
    wrapped = (value + (1 << 31)) % (1 << 32) - (1 << 31)
    assert wrap(_array(value)).tolist() == [wrapped]
    assert saturated(_array(value - 7), 7, -128, 127).tolist() == [min(max(wrapped, -128), 127)]
    assert to_int32(np.array([float(value)])).tolist() == [value if INT32_MIN <= value <= INT32_MAX else INT32_MIN]
