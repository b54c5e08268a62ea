import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from seesaw_keras.verification import bootstrap as module
from seesaw_keras.verification.bootstrap import bootstrap, identities_of
from seesaw_keras.verification.metrics import auc, d_prime, equal_error_rate, roc, tar_at_far
from seesaw_keras.verification.protocols import ten_fold


def scored_people(seed, people=25, pairs=400, spread=0.5):
    """Pairs whose scores depend on their people: some are hard to tell in all of their pairs."""
    generator = np.random.default_rng(seed)
    owners = generator.integers(0, people, (pairs, 2))
    owners[: pairs // 2, 1] = owners[: pairs // 2, 0]
    owners = owners[generator.permutation(pairs)]
    same = owners[:, 0] == owners[:, 1]
    hard = generator.normal(0, spread, people)
    scores = np.clip(same * 0.5 + hard[owners].mean(axis=1) + generator.normal(0, 0.2, pairs), -1, 1)
    return np.round(scores, 2), same, owners


def recomputed(scores, same, owners, folds, times):
    """Repeats each pair as often as the draw says, then measures that longer list of pairs."""
    repeats = np.where(same, times[owners[:, 0]], times[owners[:, 0]] * times[owners[:, 1]])
    score, label, fold = (np.repeat(values, repeats) for values in (scores, same, folds))
    curve = roc(score, label)
    genuine, impostor = score[label], score[~label]
    return {
        "eer": equal_error_rate(curve.far, curve.tar),
        "auc": auc(curve.far, curve.tar),
        "d_prime": d_prime(genuine.mean(), genuine.var(), impostor.mean(), impostor.var()),
        "tar@0.1": tar_at_far(curve, 0.1).tar,
        "accuracy": ten_fold(2 - 2 * score, label, fold).accuracy,
    }


@pytest.mark.parametrize("by_identity", [True, False])
@pytest.mark.parametrize("at_once", [1, 4_000_000])
def test_each_replicate_equals_repeating_the_pairs(by_identity, at_once, monkeypatch):
    monkeypatch.setattr(module, "ELEMENTS_AT_ONCE", at_once)
    scores, same, owners = scored_people(0)
    folds = np.arange(len(same)) % 10
    replicates, units = 40, 25 if by_identity else 400
    got = bootstrap(
        scores,
        2 - 2 * scores,
        same,
        owners if by_identity else None,
        folds=folds,
        fars=[0.1],
        replicates=replicates,
        seed=5,
    )
    generator = np.random.default_rng(5)
    # Drawn like the one under test; all else is recomputed from lists of repeated pairs.
    draws = np.concatenate([generator.multinomial(units, np.full(units, 1 / units), 1) for _ in range(replicates)])
    measured = [
        recomputed(scores, same, owners, folds, times) if by_identity else repeated(scores, same, folds, times)
        for times in draws
    ]
    assert (got.unit, got.units) == (("identities", 25) if by_identity else ("pairs", 400))
    for name, interval in got.intervals.items():
        expected = np.percentile([figures[name] for figures in measured], [2.5, 97.5])
        np.testing.assert_allclose(interval, expected, atol=1e-9, err_msg=name)


def repeated(scores, same, folds, times):
    at = np.repeat(np.arange(len(same)), times)
    alone = np.repeat(np.arange(at.size)[:, None], 2, axis=1)
    return recomputed(scores[at], same[at], alone, folds[at], np.ones(at.size, int))


def test_same_seed_same_intervals_and_another_seed_others():
    scores, same, owners = scored_people(1)
    first, again, other = (
        bootstrap(scores, 2 - 2 * scores, same, owners, replicates=50, seed=seed).intervals for seed in (1, 1, 2)
    )
    assert first == again != other


def test_identities_give_wider_intervals_where_people_differ():
    scores, same, owners = scored_people(2)
    width = {}
    for unit, of in (("identities", owners), ("pairs", None)):
        low, high = bootstrap(scores, 2 - 2 * scores, same, of, replicates=400).intervals["auc"]
        assert low < roc_auc_score(same, scores) < high
        width[unit] = high - low
    assert width["identities"] > 1.3 * width["pairs"]


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for seed in range(60):
        scores, same, owners = scored_people(seed, spread=0.0)
        low, high = bootstrap(scores, 2 - 2 * scores, same, owners, replicates=100, seed=seed).intervals["auc"]
        covered += low <= 0.9615 <= high  # P(N(0.5, 0.2) > N(0, 0.2)) = Phi(0.5 / (0.2 sqrt 2)) = 0.9615
    assert covered >= 53  # 57 expected; fewer than 53 would come up once in 30 if it were exact, and it is conservative


def test_a_replicate_without_impostors_counts_for_nothing():
    # With two people, a quarter of the draws take one person twice and leave no impostor pair.
    owners = np.array([[0, 0], [1, 1], [0, 1]] * 4)
    same = owners[:, 0] == owners[:, 1]
    scores = np.where(same, 0.8, 0.1)
    got = bootstrap(scores, 2 - 2 * scores, same, owners, folds=np.arange(12) % 4, replicates=60)
    assert got.intervals["auc"] == (1.0, 1.0)
    assert got.intervals["eer"] == (0.0, 0.0)
    assert np.isnan(got.intervals["d_prime"]).all()


def test_identities_that_contradict_the_labels():
    with pytest.raises(ValueError, match="labels contradict identities"):
        bootstrap([0.1, 0.9] * 6, [1.8, 0.2] * 6, [False, True] * 6, np.zeros((12, 2), int))


def test_identity_is_the_folder():
    names = ["Al/Al_0001.jpg", "Al/Al_0002.jpg", "Bo/Bo_0001.jpg"]
    index, same = np.array([[0, 1], [0, 2]]), np.array([True, False])
    np.testing.assert_array_equal(identities_of(names, index, same), [0, 0, 1])


def test_identity_is_the_deepest_folder_that_agrees_with_the_labels():
    names = ["Data/001/frontal/01.jpg", "Data/001/profile/01.jpg", "Data/002/frontal/01.jpg"]
    index, same = np.array([[0, 1], [0, 2]]), np.array([True, False])
    np.testing.assert_array_equal(identities_of(names, index, same), [0, 0, 1])


@pytest.mark.parametrize("names", [["lfw.bin[0]", "lfw.bin[1]", "lfw.bin[2]"], ["a/0", "a/1", "a/2"]])
def test_names_without_identities(names):
    assert identities_of(names, np.array([[0, 1], [0, 2]]), np.array([True, False])) is None
