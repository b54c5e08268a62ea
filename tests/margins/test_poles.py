"""Embeddings equal or opposite to a class center, of no length, or very long: finite values and gradients."""

import math

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.margins import list_margins, make_margin
from seesaw_keras.margins.angles import additive_angular, angle, normalize, sine

SIZE, CLASSES = 24, 6
CASES = [(name, {}) for name in list_margins()] + [
    ("sphereface", {"m": 4.0}),
    ("arcface", {"easy_margin": True}),
    ("magface", {"easy_margin": True}),
]


def extremes(centers):
    own = centers.reshape(SIZE, CLASSES, -1)[:, :, 0].T
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    rows = [own, -own, unit, -unit, 1000 * own, -0.01 * own, 0 * own]
    return np.concatenate(rows).astype(np.float32), np.tile(np.arange(CLASSES), len(rows))


@pytest.mark.parametrize("sample_rate", [1.0, 0.5])
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=["-".join([name, *kwargs]) for name, kwargs in CASES])
def test_no_nan_at_the_poles(name, kwargs, sample_rate):
    margin = make_margin(name, CLASSES, sample_rate=sample_rate, **kwargs)
    margin.build((None, SIZE))
    x, labels = extremes(margin.centers.numpy())
    for dtype in (tf.float32, tf.float16):
        embeddings = tf.cast(x, dtype)
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            output = margin.forward(embeddings, labels, training=True)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(output.labels, output.logits))
        for value in (*output[:4], loss, *tape.gradient(loss, [embeddings, margin.centers]), *margin.weights):
            assert np.isfinite(np.asarray(value, np.float64)).all()


def test_arcface_has_the_right_values_at_the_poles():
    margin = make_margin("arcface", CLASSES)
    margin.build((None, SIZE))
    own = margin.centers.numpy().T
    labels = np.arange(CLASSES)
    same = margin.forward(own, labels).logits.numpy()[labels, labels] / 64
    np.testing.assert_allclose(same, math.cos(0.5), atol=1e-3)
    opposite = margin.forward(-own, labels).logits.numpy()[labels, labels] / 64
    np.testing.assert_allclose(opposite, -1 - 0.5 * math.sin(0.5), atol=1e-3)


def test_angles_equal_the_functions_of_the_standard_library():
    cosines = np.concatenate([np.linspace(-1, 1, 401), [1 - 1e-6, -1 + 1e-6]]).astype(np.float32)
    wide = cosines.astype(np.float64)
    np.testing.assert_allclose(angle(cosines), [math.acos(c) for c in wide], atol=2e-6)
    np.testing.assert_allclose(sine(cosines), np.sqrt(1 - wide**2), atol=2e-6)


@pytest.mark.parametrize("m", [0.0, 0.3, 1.0])
def test_the_additive_margin_falls_with_the_angle_and_meets_its_fall_back_from_above(m):
    cosines = np.linspace(-1, 1, 2001).astype(np.float32)
    values = additive_angular(cosines, m, easy_margin=False).numpy()
    beyond = cosines <= math.cos(math.pi - m)
    assert (np.diff(values[beyond]) > -1e-6).all()
    assert (np.diff(values[~beyond]) > -1e-6).all()
    np.testing.assert_allclose(values[beyond], cosines[beyond] - m * math.sin(m), atol=1e-6)
    easy = additive_angular(cosines, m, easy_margin=True).numpy()
    np.testing.assert_array_equal(easy[cosines <= 0], cosines[cosines <= 0])
    np.testing.assert_allclose(easy[cosines > 0], np.cos(np.arccos(cosines[cosines > 0]) + m), atol=1e-6)


def test_normalize_returns_units_and_lengths():
    vectors = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    unit, norms = normalize(vectors, axis=0)
    np.testing.assert_allclose(norms, np.linalg.norm(vectors, axis=0, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(unit * norms, vectors, rtol=1e-6)
