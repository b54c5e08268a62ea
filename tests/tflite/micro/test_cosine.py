"""The cosine in Python's integers against its definition, and against floats."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seesaw_keras.tflite.micro.cosine import LONGEST_EMBEDDING, ONE_Q15, cosine_q15

VECTORS = st.integers(1, 9).flatmap(lambda size: st.tuples(*[arrays(np.int8, size)] * 2))


def at_least(dot, squares, bound):
    """Whether dot / sqrt(squares) >= bound, exactly: both have the same sign, or the signs tell."""
    left, right = Fraction(dot * abs(dot), squares), bound * abs(bound)
    return left >= right


@given(VECTORS, st.integers(-128, 127))
def test_is_the_cosine_rounded_down(vectors, zero_point):
    left, right = vectors
    a, b = ([int(value) - zero_point for value in row] for row in vectors)
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    squares = sum(x * x for x in a) * sum(y * y for y in b)
    cosine = cosine_q15(left, right, zero_point)
    if not squares:
        assert cosine == 0
        return
    assert at_least(dot, squares, Fraction(cosine, ONE_Q15))
    assert not at_least(dot, squares, Fraction(cosine + 1, ONE_Q15))
    assert abs(cosine / ONE_Q15 - dot / sqrt(squares)) < 1 / ONE_Q15 + 1e-12


@given(arrays(np.int8, st.integers(1, 9), elements=st.integers(-127, 127)))
def test_of_a_vector_with_itself_and_its_opposite(vector):
    one = ONE_Q15 if vector.any() else 0
    assert cosine_q15(vector, vector) == one
    assert cosine_q15(vector, -vector) == -one


@pytest.mark.parametrize(
    ("entry", "zero_point", "cosine"), [(-128, 127, ONE_Q15), (127, -1, -ONE_Q15), (127, 127, 0), (126, 127, ONE_Q15)]
)
def test_the_longest_and_largest(entry, zero_point, cosine):
    left, right = (np.full(LONGEST_EMBEDDING, value, np.int8) for value in (-128, entry))
    assert cosine_q15(left, right, zero_point) == cosine
    assert 255**2 * LONGEST_EMBEDDING < 2**31 <= 255**2 * (LONGEST_EMBEDDING + 1)
