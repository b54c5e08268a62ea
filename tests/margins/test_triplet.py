import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.margins import triplet_loss


def naive(x, labels, margin, mining):
    """By comparing all triplets, in float64."""
    x = x.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    n, losses = len(x), []
    for a in range(n):
        squared = [float(np.sum((x[a] - x[i]) ** 2)) for i in range(n)]
        positives = [squared[i] for i in range(n) if labels[i] == labels[a] and i != a]
        negatives = [squared[i] for i in range(n) if labels[i] != labels[a]]
        if not positives or not negatives:
            losses.append(0.0)
        elif mining == "hard":
            losses.append(max(0.0, max(positives) ** 0.5 - min(negatives) ** 0.5 + margin))
        else:
            each = []
            for p in positives:
                beyond = [d for d in negatives if d > p]
                each.append(max(0.0, p - (min(beyond) if beyond else max(negatives)) + margin))
            losses.append(sum(each) / len(each))
    return losses


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    seed=st.integers(0, 99),
    mining=st.sampled_from(["semi_hard", "hard"]),
    margin=st.sampled_from([0.1, 0.5, 1.5]),
)
@settings(max_examples=40, deadline=None)
def test_triplet_losses_equal_a_comparison_of_all_triplets(labels, seed, mining, margin):
    x = np.random.default_rng(seed).normal(size=(len(labels), 5)).astype(np.float32)
    loss = triplet_loss(x, np.array(labels), margin=margin, mining=mining)
    np.testing.assert_allclose(loss, naive(x, labels, margin, mining), atol=1e-5)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
def test_gradients_equal_finite_differences(mining):
    r = np.random.default_rng(3)
    x, labels = tf.constant(r.normal(size=(9, 5)), tf.float32), np.arange(9) % 3
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(triplet_loss(x, labels, 0.5, mining))
    gradient = tape.gradient(loss, x)
    for _ in range(5):
        direction = r.normal(size=x.shape)
        up, down = (sum(naive(x.numpy() + step * direction, labels, 0.5, mining)) for step in (1e-6, -1e-6))
        np.testing.assert_allclose(np.sum(gradient * direction), (up - down) / 2e-6, rtol=1e-3)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 2, 3, 4], []])
def test_equal_embeddings_lone_images_and_empty_batches_are_finite(mining, labels):
    x = tf.constant(np.ones((len(labels), 4)), tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = triplet_loss(x, np.array(labels, np.int32), mining=mining)
    assert loss.shape == (len(labels),)
    assert loss.dtype == tf.float32
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, x)).all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="unknown mining 'easy'"):
        triplet_loss(np.ones((2, 2)), np.array([0, 1]), mining="easy")
    with pytest.raises(ValueError, match="margin must be above 0"):
        triplet_loss(np.ones((2, 2)), np.array([0, 1]), margin=0.0)
