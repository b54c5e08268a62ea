"""Functions in fixed point against the real ones; their last bits are compared with the runtimes, in int8 kernels."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.reference.arithmetic.fixed_point import INT32_MAX
from seesaw_keras.tflite.reference.arithmetic.fixed_point_functions import (
    exp_of_negative,
    inverse_square_root,
    leading_zeros,
    logistic,
    one_over_one_plus,
    reciprocal,
    rescale,
    tanh,
)

SPREAD = np.linspace(-INT32_MAX, INT32_MAX, 100_001).astype(np.int64)


def test_logistic_and_tanh():
    real = SPREAD / 2**27
    np.testing.assert_allclose(logistic(SPREAD) / 2**31, 1 / (1 + np.exp(-real)), atol=3e-7)
    np.testing.assert_allclose(tanh(SPREAD) / 2**31, np.tanh(real), atol=2e-7)
    np.testing.assert_array_equal(tanh(-SPREAD), -tanh(SPREAD))


def test_exp():
    for bits in (0, 4, 5):
        negative = -np.abs(SPREAD)
        real = np.exp(negative / 2 ** (31 - bits))
        np.testing.assert_allclose(exp_of_negative(negative, bits) / 2**31, real, atol=3e-7)


def test_reciprocals():
    positive = np.abs(SPREAD)
    np.testing.assert_allclose(one_over_one_plus(positive) / 2**31, 1 / (1 + positive / 2**31), atol=1e-8)
    many = np.unique(np.geomspace(1, INT32_MAX, 9999).astype(np.int64))
    over, exponent = reciprocal(many, 12)
    np.testing.assert_allclose(over / 2**31 * 2.0**-exponent, 2**19 / many, rtol=1e-8)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(value=st.one_of(st.integers(2, INT32_MAX), st.integers(2, 200)))
def test_inverse_square_root(value):
    multiplier, shift = inverse_square_root(np.array([value]))
    assert math.isclose(multiplier[0] / 2**31 * 2.0 ** shift[0], 1 / math.sqrt(value), rel_tol=2e-6)


def test_inverse_square_root_of_nothing():
    multiplier, shift = inverse_square_root(np.array([0, 1]))
    assert (multiplier.tolist(), shift.tolist()) == ([INT32_MAX] * 2, [0, 0])


def test_bits():
    numbers = np.array([0, 1, 2, 3, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
    assert leading_zeros(numbers).tolist() == [32 - int(number).bit_length() for number in numbers]
    assert rescale(np.array([3, -3, 1 << 30, -(1 << 31)]), 1).tolist() == [2, -2, 1 << 29, -(1 << 30)]
    assert rescale(np.array([3, 1 << 30, -(1 << 30), -(1 << 31)]), -1).tolist() == [
        6,
        INT32_MAX,
        -(1 << 31),
        -(1 << 31),
    ]
