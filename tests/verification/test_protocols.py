import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from seesaw_keras.verification import protocols
from seesaw_keras.verification.protocols import (
    contiguous_folds,
    identify,
    interleaved,
    pair_distances,
    pair_scores,
    ten_fold,
    unit,
)


def reference_ten_fold(distances, same, folds=10):
    """The published algorithm, threshold by threshold: KFold, count what is right, keep the first best."""
    thresholds = np.arange(0, 4, 0.01)
    accuracies, chosen = np.zeros(folds), np.zeros(folds)
    for fold, (train, test) in enumerate(KFold(n_splits=folds, shuffle=False).split(np.arange(len(same)))):
        best, best_accuracy = 0, -1.0
        for number, threshold in enumerate(thresholds):
            accepted = np.less(distances[train], threshold)
            right = np.sum(accepted & same[train]) + np.sum(~accepted & ~same[train])
            accuracy = float(right) / distances[train].size
            if accuracy > best_accuracy:
                best, best_accuracy = number, accuracy
        chosen[fold] = thresholds[best]
        accepted = np.less(distances[test], thresholds[best])
        accuracies[fold] = float(np.sum(accepted == same[test])) / distances[test].size
    return accuracies, chosen


def random_pairs(seed):
    """Pairs of every hardness and number, folds of unequal size, distances that lie on the thresholds themselves."""
    generator = np.random.default_rng(seed)
    pairs = int(generator.integers(10, 900))
    same = generator.random(pairs) < generator.uniform(0.2, 0.8)
    same[:2] = True, False
    people = generator.normal(size=(pairs, 24))
    other = np.where(same[:, None], people, generator.normal(size=people.shape))
    noise = generator.uniform(0.1, 1.5)
    embeddings = np.empty((2 * pairs, 24), np.float32 if seed % 2 else np.float64)
    embeddings[0::2] = people + noise * generator.normal(size=people.shape)
    embeddings[1::2] = other + noise * generator.normal(size=people.shape)
    return unit(embeddings), same


@pytest.mark.parametrize("seed", range(20))
def test_ten_fold_equals_the_reference_to_the_last_digit(seed):
    embeddings, same = random_pairs(seed)
    distances = np.sum(np.square(np.subtract(embeddings[0::2], embeddings[1::2])), 1)
    np.testing.assert_array_equal(pair_distances(embeddings, interleaved(embeddings)), distances)
    if seed % 4 == 0:
        distances = np.round(distances, 2)
    accuracies, thresholds = reference_ten_fold(distances, same)
    got = ten_fold(distances, same)
    np.testing.assert_array_equal(got.accuracies, accuracies)
    np.testing.assert_array_equal(got.thresholds, thresholds)
    assert (got.accuracy, got.std) == (np.mean(accuracies), np.std(accuracies))
    assert np.mean(got.accepted == same) == pytest.approx(
        np.average(accuracies, weights=np.bincount(contiguous_folds(len(same)))), abs=1e-12
    )


@pytest.mark.parametrize("at_once", [1, 7])
def test_pairs_in_parts_give_the_same_figures(at_once, monkeypatch):
    embeddings, _ = random_pairs(3)
    index = interleaved(embeddings)
    whole = pair_scores(embeddings, index), pair_distances(embeddings, index)
    monkeypatch.setattr(protocols, "PAIRS_AT_ONCE", at_once)
    np.testing.assert_array_equal((pair_scores(embeddings, index), pair_distances(embeddings, index)), whole)


def test_given_folds_need_not_be_consecutive():
    embeddings, same = random_pairs(7)
    distances = pair_distances(embeddings, interleaved(embeddings))
    shuffled = np.random.default_rng(0).permutation(len(same))
    folds = 3 + 2 * contiguous_folds(len(same))
    got = ten_fold(distances[shuffled], same[shuffled], folds[shuffled])
    np.testing.assert_array_equal(got.accuracies, ten_fold(distances, same).accuracies)
    np.testing.assert_array_equal(got.accepted, ten_fold(distances, same).accepted[shuffled])


@given(st.integers(2, 12), st.integers(0, 90))
def test_contiguous_folds_are_kfolds(folds, more):
    pairs = folds + more
    numbers = contiguous_folds(pairs, folds)
    for fold, (_, test) in enumerate(KFold(folds).split(np.arange(pairs))):
        np.testing.assert_array_equal(np.flatnonzero(numbers == fold), test)


def test_scores_and_distances_agree():
    embeddings, _ = random_pairs(1)
    index = interleaved(embeddings)
    np.testing.assert_allclose(pair_distances(embeddings, index), 2 - 2 * pair_scores(embeddings, index), atol=1e-12)


def test_identify_recomputed_naively():
    generator = np.random.default_rng(0)
    people = generator.normal(size=(40, 8))
    gallery_labels = np.concatenate([np.arange(40), generator.integers(0, 40, 30)]) * 3
    probe_labels = generator.integers(0, 40, 1500) * 3
    gallery = unit(people[gallery_labels // 3] + generator.normal(size=(70, 8)))
    probes = unit(people[probe_labels // 3] + generator.normal(size=(1500, 8)))
    hits = dict.fromkeys((1, 5, 10), 0)
    for probe, label in zip(probes, probe_labels, strict=True):
        ranked = []
        for at in np.argsort(-(gallery @ probe)):
            if gallery_labels[at] not in ranked:
                ranked.append(gallery_labels[at])
        for rank in hits:
            hits[rank] += label in ranked[:rank]
    got = identify(gallery, gallery_labels, probes, probe_labels)
    assert got.rates == {rank: count / 1500 for rank, count in hits.items()}
    assert (got.probes, got.identities) == (1500, 40)
    assert 0.1 < got.rates[1] < 0.9


def test_a_model_that_always_says_the_same_identifies_no_one():
    same = unit(np.ones((20, 4)))
    assert identify(same, np.arange(20), same, np.arange(20)).rates[10] == 0.0


def test_probes_outside_the_gallery():
    rows = unit(np.eye(3))
    with pytest.raises(ValueError, match="identity 7 of a probe is not in the gallery"):
        identify(rows, [0, 1, 2], rows[:1], [7])
    with pytest.raises(ValueError, match="at least one probe"):
        identify(rows, [0, 1, 2], rows[:0], [])


def test_embeddings_that_have_no_direction():
    rows = np.ones((4, 3))
    rows[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"embedding 2 \(bob\) is not finite .* 1 of 4"):
        unit(rows, ["al", "al", "bob", "cy"])
    rows[2] = 0
    with pytest.raises(ValueError, match="embedding 2 is all zero"):
        unit(rows)
    rows[2] = 1e300, 1e300, np.inf
    with pytest.raises(ValueError, match="embedding 2 is not finite"):
        unit(rows)
    with pytest.raises(ValueError, match="shape"):
        unit(np.ones(3))
    with pytest.raises(ValueError, match="shape"):
        unit(np.ones((0, 3)))


def test_an_odd_number_of_embeddings():
    with pytest.raises(ValueError, match="the number of embeddings must be even, got 7"):
        interleaved(np.ones((7, 2)))


def test_pairs_of_missing_images():
    rows = unit(np.eye(3))
    for wrong in (3, -1):
        with pytest.raises(ValueError, match=f"refers to embedding {wrong}, but there are 3: some images are missing"):
            pair_scores(rows, [[0, wrong]])
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        pair_scores(rows, np.zeros((0, 2), int))


def test_folds_that_cannot_cross_validate():
    with pytest.raises(ValueError, match="9 pairs are fewer than the 10 folds"):
        ten_fold(np.linspace(0, 2, 9), np.arange(9) < 4)
    with pytest.raises(ValueError, match="at least two folds"):
        ten_fold([0.1, 0.2], [True, False], [3, 3])
    with pytest.raises(ValueError, match="at least two folds"):
        contiguous_folds(10, 1)
    with pytest.raises(ValueError, match="one fold for each of 2 pairs"):
        ten_fold([0.1, 0.2], [True, False], [0, 1, 2])
