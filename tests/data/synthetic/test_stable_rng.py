import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.synthetic.stable_rng import StableRng

WORDS = st.integers(0, 2**32 - 1)


def test_uniform_is_what_pcg64_promises():
    # The bits of PCG64 are fixed for good; a double takes the upper 53 of 64. The stream is used from its end backwards
    # in batches of 128.
    bits = np.random.PCG64(np.random.SeedSequence((2, 5, 6))).random_raw(256)
    expected = [float(int(word) >> 11) / 2**53 for word in bits]
    rng = StableRng(5, 6)
    assert [rng.uniform(0.0, 1.0) for _ in range(256)] == expected[:128][::-1] + expected[128:][::-1]


@given(st.lists(WORDS, min_size=1, max_size=3), st.lists(WORDS, min_size=1, max_size=3))
def test_keys_that_differ_give_other_numbers(first, second):
    numbers = [[StableRng(*key).uniform(0.0, 1.0) for _ in range(2)] for key in (first, second)]
    assert (numbers[0] == numbers[1]) == (first == second)


def test_a_zero_at_the_end_is_another_key():
    assert StableRng(1, 2).uniform(0.0, 1.0) != StableRng(1, 2, 0).uniform(0.0, 1.0)


@pytest.mark.parametrize("word", [-1, 2**32])
def test_numbers_outside_of_32_bits_are_refused(word):
    with pytest.raises(ValueError, match=r"\[0, 2\*\*32\)"):
        StableRng(0, word)


def test_normal_has_the_moments_it_is_asked_for():
    rng = StableRng(1)
    draws = np.array([rng.normal(3.0, 2.0) for _ in range(20_000)])
    assert abs(draws.mean() - 3.0) < 0.06
    assert abs(draws.std() - 2.0) < 0.04
    assert np.abs(draws - 3.0).max() <= 2.0 * 12**0.5


def test_choice_follows_the_weights():
    rng = StableRng(1)
    draws = [rng.choice("abc", (1, 0, 3)) for _ in range(4000)]
    assert "b" not in draws
    assert abs(draws.count("c") / 4000 - 0.75) < 0.03


def test_bytes_are_uniform_and_as_many_as_asked_for():
    draws = StableRng(1).bytes(100_001)
    assert draws.shape == (100_001,)
    assert draws.dtype == np.uint8
    counts = np.bincount(draws, minlength=256)
    # Chi-squared with 255 degrees of freedom: mean 255, deviation 22.6.
    assert abs(((counts - 100_001 / 256) ** 2 / (100_001 / 256)).sum() - 255) < 5 * 22.6
