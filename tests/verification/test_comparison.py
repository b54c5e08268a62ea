import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from seesaw_keras.verification.comparison import compare, mcnemar
from seesaw_keras.verification.protocols import TenFold


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test(lost, gained):
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar(only_first_right=lost, only_second_right=gained) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_many_pairs():
    expected = binomtest(50_000, 100_700).pvalue
    assert mcnemar(only_first_right=50_000, only_second_right=50_700) == pytest.approx(expected, rel=1e-7)


def judged(accepted, same):
    return TenFold(np.array([np.mean(accepted == same)]), np.array([1.0]), accepted)


def test_compare_recomputed():
    generator = np.random.default_rng(0)
    same = generator.random(300) < 0.5
    first, second = (same ^ (generator.random(300) < share) for share in (0.05, 0.15))
    rows = generator.normal(size=(50, 16))
    others = rows + generator.normal(size=rows.shape) / 10
    got = compare(judged(first, same), judged(second, same), same, rows, others)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(rows, others, strict=True)]
    assert got.lost.tolist() == [i for i in range(300) if first[i] == same[i] != second[i]]
    assert got.gained.tolist() == [i for i in range(300) if first[i] != same[i] == second[i]]
    assert got.p_value == pytest.approx(binomtest(len(got.lost), len(got.lost) + len(got.gained)).pvalue)
    assert got.accuracy_change == pytest.approx(100 * (np.mean(second == same) - np.mean(first == same)))
    assert got.farthest == np.argmin(cosines)
    assert got.cosine == pytest.approx(
        {
            "mean": np.mean(cosines),
            "min": np.min(cosines),
            "p0.1": np.percentile(cosines, 0.1),
            "p1": np.percentile(cosines, 1),
            "p5": np.percentile(cosines, 5),
            "p50": np.percentile(cosines, 50),
        }
    )


def test_embeddings_of_other_lengths_have_no_cosine():
    same = np.array([True, False])
    got = compare(judged(same, same), judged(same, same), same, np.ones((2, 4)), np.ones((2, 5)))
    assert (got.cosine, got.farthest, got.p_value) == (None, None, 1.0)


def test_other_pairs_cannot_be_compared():
    same = np.array([True, False])
    with pytest.raises(ValueError, match="the same pairs and images"):
        compare(judged(same, same), judged(same[:1], same[:1]), same, np.ones((2, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="the same pairs and images"):
        compare(judged(same, same), judged(same, same), same, np.ones((2, 4)), np.ones((3, 4)))
