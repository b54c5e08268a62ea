import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve

from seesaw_keras.verification.metrics import FARS, auc, d_prime, equal_error_rate, roc, tar_at_far

# Few distinct values, so that ties within and between the classes are the rule.
SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60).filter(
    lambda pairs: len({same for _, same in pairs}) == 2
)


def scored(pairs):
    scores, same = zip(*pairs, strict=True)
    return np.array(scores) / 5, np.array(same)


def random_scores(seed, count=3000):
    generator = np.random.default_rng(seed)
    same = generator.random(count) < 0.4
    return np.round(generator.normal(same, 0.6), 2), same


@given(SCORED)
def test_roc_is_scikit_learns(pairs):
    scores, same = scored(pairs)
    far, tar, thresholds = roc_curve(same, scores, drop_intermediate=False)
    curve = roc(scores, same)
    np.testing.assert_array_equal(curve.far, far)
    np.testing.assert_array_equal(curve.tar, tar)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert (curve.genuine, curve.impostor) == (same.sum(), (~same).sum())


@given(SCORED)
def test_auc_is_scikit_learns(pairs):
    scores, same = scored(pairs)
    curve = roc(scores, same)
    assert auc(curve.far, curve.tar) == pytest.approx(roc_auc_score(same, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_equal_error_rate_is_the_root_brentq_finds(seed):
    scores, same = random_scores(seed)
    far, tar, _ = roc_curve(same, scores)
    root = brentq(lambda x: 1 - x - interp1d(far, tar)(x), 0, 1, xtol=1e-14)
    curve = roc(scores, same)
    assert equal_error_rate(curve.far, curve.tar) == pytest.approx(root, abs=1e-10)


@given(SCORED)
def test_equal_error_rate_lies_on_the_curve_where_both_errors_are_equal(pairs):
    curve = roc(*scored(pairs))
    rate = equal_error_rate(curve.far, curve.tar)
    below, above = curve.tar[curve.far <= rate].max(), curve.tar[curve.far >= rate].min()
    at_most, at_least = curve.tar[curve.far >= rate].max(), curve.tar[curve.far <= rate].min()
    assert min(below, above, at_least) - 1e-12 <= 1 - rate <= max(below, above, at_most) + 1e-12


@given(SCORED, st.sampled_from([1.0, 0.5, 0.25, 0.1, 0.05]))
def test_tar_at_far_is_the_best_threshold_that_keeps_it(pairs, level):
    scores, same = scored(pairs)
    point = tar_at_far(roc(scores, same), level)
    impostors = int((~same).sum())
    if level * impostors < 1:
        assert (point.tar, point.threshold) == (None, None)
        assert point.note == f"not measurable: only {impostors} impostor pairs"
        return
    allowed = [t for t in [np.inf, *scores] if np.mean(scores[~same] >= t) <= level]
    assert point.tar == max(np.mean(scores[same] >= t) for t in allowed)
    assert np.mean(scores[~same] >= point.threshold) <= level
    assert np.mean(scores[same] >= point.threshold) == point.tar


def test_a_far_of_exactly_one_impostor_is_measurable():
    for impostors in (10, 30, 1000, 3000, 100_000, 1_000_000):
        same = np.arange(impostors + 1) == 0
        curve = roc(np.linspace(1, 0, impostors + 1), same)
        assert tar_at_far(curve, 1 / impostors).tar == 1.0
        told = [far for far in FARS if tar_at_far(curve, far).tar is not None]
        assert told == [far for far in FARS if impostors * far >= 1 - 1e-9]


def test_d_prime_recomputed():
    scores, same = random_scores(3)
    genuine, impostor = scores[same], scores[~same]
    expected = abs(sum(genuine) / len(genuine) - sum(impostor) / len(impostor)) / np.sqrt(
        (np.std(genuine) ** 2 + np.std(impostor) ** 2) / 2
    )
    got = d_prime(genuine.mean(), genuine.var(), impostor.mean(), impostor.var())
    assert got == pytest.approx(expected, rel=1e-12)
    assert d_prime(1.0, 0.0, 0.0, 0.0) == np.inf


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([], [], "no pairs"),
        ([0.1, 0.2], [True], "one score and one label"),
        ([[0.1], [0.2]], [[True], [False]], "one score and one label"),
        ([0.1, np.nan], [True, False], "score 1 is nan"),
        ([np.inf, 0.1], [True, False], "score 0 is inf"),
        ([0.1, 0.2], [True, True], "all 2 pairs have the label True"),
        ([0.1, 0.2], [0, 0], "all 2 pairs have the label False"),
        ([0.1, 0.2], [1, 2], "labels must be"),
    ],
)
def test_input_that_cannot_be_measured(scores, same, message):
    with pytest.raises(ValueError, match=message):
        roc(scores, same)


@pytest.mark.parametrize("far", [0, -0.1, 1.1, np.nan])
def test_far_out_of_range(far):
    with pytest.raises(ValueError, match="FAR must be above 0 and at most 1"):
        tar_at_far(roc([0.1, 0.2], [False, True]), far)
