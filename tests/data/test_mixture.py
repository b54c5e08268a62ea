import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data import Mixture, Record, Source
from seesaw_keras.data.order import BatchOrder
from seesaw_keras.data.records import UNLABELED


class Labeled(Source):
    def __init__(self, labels, name="a"):
        self.given, self.name = labels, name

    def __len__(self):
        return len(self.given)

    def _record(self, position):
        return Record(b"%d" % position, self.given[position], f"{self.name}[{position}]")


LABELS = st.lists(st.integers(-1, 6), min_size=1, max_size=12)


@given(st.lists(LABELS, min_size=1, max_size=4))
def test_records_and_labels(parts):
    mixture = Mixture([Labeled(labels, name=str(number)) for number, labels in enumerate(parts)])
    owners = [(number, label) for number, labels in enumerate(parts) for label in labels]
    labels = mixture.labels()
    assert len(mixture) == len(labels) == len(owners)
    known = [label != -1 and owners.count((number, label)) > 1 for number, label in owners]
    np.testing.assert_array_equal(labels == UNLABELED, np.logical_not(known))
    for i, j in np.ndindex(len(owners), len(owners)):
        if known[i] and known[j]:
            assert (labels[i] == labels[j]) == (owners[i] == owners[j])
    assert sorted(set(labels[known].tolist())) == list(range(len(set(labels[known].tolist()))))
    expected = [f"{number}[{index}]" for number, given in enumerate(parts) for index in range(len(given))]
    assert [record.name for record in mixture] == expected
    assert [record.label for record in mixture] == labels.tolist()


def test_weights():
    parts = [Labeled([0, 0]), Labeled([1, 1, 2])]
    assert Mixture(parts).weights() is None
    np.testing.assert_array_equal(Mixture(parts, [2, 0.5]).weights(), [2, 2, 0.5, 0.5, 0.5])
    for weights in ([1], [1, 1, 1]):
        with pytest.raises(ValueError, match=r"weights for 2 data sets"):
            Mixture(parts, weights)
    with pytest.raises(ValueError, match="at least one data set"):
        Mixture([])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.3, 2.0])), min_size=1, max_size=3),
    st.integers(0, 2**32),
    st.integers(0, 100),
)
def test_an_epoch_shows_each_image_as_often_as_its_weight_says(parts, seed, epoch):
    weights = np.repeat([weight for _, weight in parts], [count for count, _ in parts])
    expected = int(np.rint(weights * 2**20).sum()) >> 20
    if not expected:
        return
    order = BatchOrder(np.zeros(len(weights)), batch_size=4, seed=seed, drop_remainder=False, weights=weights)
    shown = np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)])
    assert len(shown) == expected
    counts = np.bincount(shown, minlength=len(weights))
    assert (counts >= np.floor(weights)).all()
    assert (counts <= np.ceil(weights)).all()


def test_over_many_epochs_the_shares_are_even():
    weights = np.repeat([1.0, 0.25], [20, 40])
    order = BatchOrder(np.zeros(60), batch_size=30, seed=0, weights=weights)
    counts = np.bincount(np.concatenate([order.batch(epoch, 0) for epoch in range(800)]), minlength=60)
    assert (counts[:20] == 800).all()
    assert np.abs(counts[20:] - 200).max() < 5 * np.sqrt(800 * 0.25 * 0.75)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_bad_weights(weight):
    with pytest.raises(ValueError, match="weights of data sets must be 0 or more"):
        BatchOrder(np.zeros(4), batch_size=2, seed=0, weights=np.full(4, weight))


def test_weights_and_balanced_batches_exclude_each_other():
    with pytest.raises(ValueError, match="cannot be combined with images_per_identity"):
        BatchOrder(np.arange(8) // 2, batch_size=4, seed=0, images_per_identity=2, weights=np.ones(8))
