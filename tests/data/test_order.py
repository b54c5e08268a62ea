import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.order import BatchOrder, random_words

SEEDS = st.integers(0, 2**64 - 1)
EPOCHS = st.integers(0, 2**40)


def philox(counter, key):
    """Philox4x64-10 as published: Salmon et al., SC 2011, section 4.3 and the constants of Random123."""
    counter, key = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) % 2**64, (key[1] + 0xBB67AE8584CAA73B) % 2**64]
    return counter


@given(SEEDS, EPOCHS, st.integers(0, 2**40), st.integers(0, 5))
def test_random_words_are_those_of_philox(seed, epoch, first, count):
    # NumPy counts before it draws, so the first block is that of the counter plus one.
    expected = [philox([first + i + 1, 0, 0, 2], [seed, epoch]) for i in range(count)]
    np.testing.assert_array_equal(random_words(seed, epoch, first, count), np.array(expected).reshape(count, 4))


@given(
    images=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    seed=SEEDS,
    epoch=EPOCHS,
    drop_remainder=st.booleans(),
)
def test_an_epoch_holds_every_image_once(images, batch_size, seed, epoch, drop_remainder):
    if drop_remainder and images < batch_size:
        with pytest.raises(ValueError, match="do not fill a batch"):
            BatchOrder(np.zeros(images), batch_size=batch_size, seed=seed)
        return
    order = BatchOrder(np.zeros(images), batch_size=batch_size, seed=seed, drop_remainder=drop_remainder)
    batches = [order.batch(epoch, step) for step in range(order.steps_per_epoch)]
    seen = np.concatenate(batches)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert len(seen) == (images // batch_size * batch_size if drop_remainder else images)
    assert len(np.unique(seen)) == len(seen)
    assert seen.min() >= 0
    assert seen.max() < images


@given(data=st.data(), seed=SEEDS, per_identity=st.sampled_from([None, 1, 2, 4]))
def test_a_batch_depends_on_seed_epoch_and_step_alone(data, seed, per_identity):
    labels = np.arange(50) % 9
    order = BatchOrder(labels, batch_size=8, seed=seed, images_per_identity=per_identity)
    steps = st.tuples(EPOCHS, st.integers(0, order.steps_per_epoch - 1))
    for epoch, step in data.draw(st.lists(steps, min_size=1, max_size=6)):
        fresh = BatchOrder(labels, batch_size=8, seed=seed, images_per_identity=per_identity)
        np.testing.assert_array_equal(order.batch(epoch, step), fresh.batch(epoch, step))


def test_the_order_never_changes():
    """A run that was started with an older release resumes with the same images."""
    labels = np.arange(12) // 3
    plain = BatchOrder(labels, batch_size=6, seed=1)
    assert [plain.batch(2, step).tolist() for step in range(2)] == [[5, 8, 1, 0, 6, 11], [4, 2, 7, 10, 3, 9]]
    balanced = BatchOrder(labels, batch_size=6, seed=1, images_per_identity=2)
    assert [balanced.batch(2, step).tolist() for step in range(2)] == [[5, 4, 1, 0, 8, 6], [2, 1, 3, 5, 9, 11]]


def test_seeds_and_epochs_have_orders_of_their_own():
    labels = np.arange(200) // 4
    for per_identity in (None, 4):
        orders = {
            tuple(BatchOrder(labels, batch_size=40, seed=seed, images_per_identity=per_identity).batch(epoch, 0))
            for seed in range(4)
            for epoch in range(4)
        }
        assert len(orders) == 16


def test_every_image_comes_everywhere():
    """Over many epochs each of ten images is about equally often at each place: chi-squared, 81 degrees of freedom."""
    order = BatchOrder(np.zeros(10), batch_size=10, seed=0)
    counts = np.zeros((10, 10))
    for epoch in range(2000):
        counts[np.arange(10), order.batch(epoch, 0)] += 1
    assert 45 < ((counts - 200) ** 2 / 200).sum() < 130  # all but 0.1% of true permutations


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    identities=st.integers(1, 12),
    per_identity=st.integers(1, 5),
    seed=SEEDS,
    epoch=EPOCHS,
)
def test_balanced_batches(counts, identities, per_identity, seed, epoch):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)) * 3, counts))
    arguments = {"batch_size": identities * per_identity, "seed": seed, "images_per_identity": per_identity}
    if identities > len(counts):
        with pytest.raises(ValueError, match=f"needs {identities} identities, but there are {len(counts)}"):
            BatchOrder(labels, **arguments)
        return
    order = BatchOrder(labels, **arguments)
    assert order.steps_per_epoch == max(sum(counts) // arguments["batch_size"], 1)
    rounds = [[]]
    for step in range(order.steps_per_epoch):
        batch = order.batch(epoch, step).reshape(identities, per_identity)
        if len(rounds[-1]) + identities > len(counts):
            rounds.append([])
        for row in batch:
            (identity,) = np.unique(labels[row])
            rounds[-1].append(identity)
            repeats = np.unique(row, return_counts=True)[1]
            assert repeats.max() - (repeats.min() if len(repeats) == counts[identity // 3] else 0) <= 1
    for number in rounds:
        assert len(set(number)) == len(number)


def test_an_identity_shows_all_its_images_equally_often():
    counts = [3, 4, 8, 45]
    labels = np.repeat(np.arange(4), counts)
    order = BatchOrder(labels, batch_size=8, seed=3, images_per_identity=2)
    seen = np.concatenate([order.batch(5, step) for step in range(order.steps_per_epoch)])
    times = np.bincount(seen, minlength=len(labels))
    for identity in range(4):
        assert np.ptp(times[labels == identity]) <= 1
        assert times[labels == identity].sum() == 2 * order.steps_per_epoch


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**64}, "seed must be"),
        ({"images_per_identity": 0}, "must divide batch_size"),
        ({"images_per_identity": 3}, "must divide batch_size"),
        ({"batch_size": 11}, "10 images do not fill a batch of 11; choose a smaller batch_size"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        BatchOrder(np.arange(10) // 2, **{"batch_size": 4, "seed": 0, **change})


@pytest.mark.parametrize(("epoch", "step"), [(0, 2), (0, -1), (-1, 0)])
def test_a_step_outside_of_the_epoch_is_refused(epoch, step):
    with pytest.raises(ValueError, match=rf"no step {step} of epoch {epoch}; .* has 2 steps"):
        BatchOrder(np.arange(10) // 2, batch_size=4, seed=0).batch(epoch, step)
