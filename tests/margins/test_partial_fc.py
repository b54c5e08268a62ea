import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.margins import list_margins, make_margin
from seesaw_keras.margins.partial_fc import sample_classes

CLASSES, SIZE = 40, 8


def pair(name, sample_rate, seed=0):
    """The same margin over all classes and with a sample of them, and a batch."""
    r = np.random.default_rng(seed)
    full, sampled = make_margin(name, CLASSES), make_margin(name, CLASSES, sample_rate=sample_rate)
    for margin in (full, sampled):
        margin.build((None, SIZE))
    full.centers.assign(r.normal(size=full.centers.shape))
    sampled.centers.assign(full.centers)
    return full, sampled, tf.constant(10 * r.normal(size=(6, SIZE)), tf.float32), r.integers(0, CLASSES, 6)


def loss_and_gradients(margin, x, labels):
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = margin.forward(x, labels, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(output.labels, output.logits))
    return loss, *tape.gradient(loss, [x, margin.centers]), output


@given(
    labels=st.lists(st.integers(0, 29), max_size=12),
    rate=st.floats(0.01, 1.0),
    seed=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
@settings(max_examples=40, deadline=None)
def test_sample_holds_the_batch_and_as_many_classes_as_asked(labels, rate, seed):
    labels = np.array(labels, np.int32)
    classes, indices = (part.numpy() for part in sample_classes(labels, 30, rate, seed))
    assert len(classes) == min(30, max(math.ceil(rate * 30), len(labels)))
    assert (np.diff(classes) > 0).all()
    assert ((classes >= 0) & (classes < 30)).all()
    np.testing.assert_array_equal(classes[indices], labels)


def test_sample_depends_on_seed_and_step_and_is_uniform_over_classes():
    labels = np.array([3], np.int32)
    first, again, other = (sample_classes(labels, 50, 0.3, seed)[0].numpy() for seed in ((7, 1), (7, 1), (7, 2)))
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(other)
    counts = np.zeros(50)
    for step in range(400):
        counts[sample_classes(labels, 50, 0.3, (7, step))[0].numpy()] += 1
    assert counts[3] == 400
    # 14 of 49 others at each of 400 steps: 114 each, with a standard deviation of 9.
    assert np.delete(counts, 3).min() > 70
    assert np.delete(counts, 3).max() < 160


@pytest.mark.parametrize("name", list_margins())
def test_a_rate_that_takes_all_equals_the_full_softmax(name):
    # 0.999 of 40 classes, rounded up, goes the way of sampling and leaves none out; 1 does not sample at all.
    full, sampled, x, labels = pair(name, 0.999)
    expected, actual = loss_and_gradients(full, x, labels), loss_and_gradients(sampled, x, labels)
    for one, other in zip(expected[:3], actual[:3], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", list_margins())
def test_sampled_columns_are_those_of_the_full_softmax(name):
    full, sampled, x, labels = pair(name, 0.3)
    classes, indices = sample_classes(tf.constant(labels, tf.int32), CLASSES, 0.3, (0, 0))
    if name == "adacos":  # its scale follows from the classes in the softmax, so only the cosines can be compared
        full, sampled = (make_margin("normface", CLASSES, sample_rate=rate) for rate in (1.0, 0.3))
        full.build((None, SIZE))
        sampled.build((None, SIZE))
        sampled.centers.assign(full.centers)
    everything = full.forward(x, labels, training=True)
    *_, gradient, output = loss_and_gradients(sampled, x, labels)
    np.testing.assert_allclose(output.logits, tf.gather(everything.logits, classes, axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(output.labels, indices)
    np.testing.assert_allclose(output.target_cosine, everything.target_cosine, atol=1e-6)
    absent = np.setdiff1d(np.arange(CLASSES), classes)
    assert (np.take(gradient, absent, axis=1) == 0).all()
    assert np.take(gradient, classes, axis=1).any()


def test_call_has_all_columns_and_the_loss_and_gradient_of_the_sample():
    _, compact, x, labels = pair("arcface", 0.3)
    _, whole, *_ = pair("arcface", 0.3)
    loss, by_x, by_centers, _ = loss_and_gradients(compact, x, labels)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = whole([x, labels], training=True)
        again = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    assert logits.shape == (6, CLASSES)
    assert (logits.numpy() == -1e9).sum() == 6 * (CLASSES - 12)
    for one, other in zip((loss, by_x, by_centers), (again, *tape.gradient(again, [x, whole.centers])), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-7)


def test_steps_sample_anew_and_evaluation_sees_all():
    _, margin, x, labels = pair("arcface", 0.3)
    columns = [np.flatnonzero((margin([x, labels], training=True).numpy() > -1e9).any(0)) for _ in range(3)]
    assert list(columns[0]) != list(columns[1]) != list(columns[2])
    assert (margin([x, labels], training=False).numpy() > -1e9).all()
    other = make_margin("arcface", CLASSES, sample_rate=0.3, seed=5)
    assert list(np.flatnonzero((other([x, labels], training=True).numpy() > -1e9).any(0))) != list(columns[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["arcface", "curricularface", "adacos"])
def test_xla_gives_the_same_losses_and_gradients(name):
    _, plain, x, labels = pair(name, 0.3)
    _, compiled, *_ = pair(name, 0.3)
    step = tf.function(lambda x, labels: loss_and_gradients(compiled, x, labels)[:3], jit_compile=True)
    for one, other in zip(loss_and_gradients(plain, x, labels)[:3], step(x, labels), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    for one, other in zip(plain.non_trainable_weights, compiled.non_trainable_weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)
