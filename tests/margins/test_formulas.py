"""Each margin against its published formula, recomputed example by example, class by class, in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.margins import list_margins, make_margin

CLASSES, SIZE, EXAMPLES = 12, 16, 10
EASY = [("arcface", {"easy_margin": True}), ("magface", {"easy_margin": True})]
OTHERS = [
    ("combined", {"m": 0.4, "multiplicative": 0.9, "additive": 0.15}),
    ("sphereface", {"m": 4.0}),
    ("adacos", {"s": 7.0}),
]
CASES = [(name, {}) for name in list_margins()] + EASY + OTHERS
IDS = ["-".join([name, *kwargs]) for name, kwargs in CASES]


def data(centers, seed=0):
    """Embeddings whose angles to their own center are spread over the whole range, and lengths from 5 to 130."""
    r = np.random.default_rng(seed)
    labels = r.integers(0, CLASSES, EXAMPLES)
    own = centers.reshape(SIZE, CLASSES, -1)[:, labels, 0].T
    own = own / np.linalg.norm(own, axis=1, keepdims=True)
    aside = r.normal(size=own.shape)
    aside -= (aside * own).sum(1, keepdims=True) * own
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosine = np.linspace(-0.99, 0.99, EXAMPLES)[:, None]
    length = r.permutation(np.linspace(5, 130, EXAMPLES))[:, None]
    return (length * (cosine * own + np.sqrt(1 - cosine**2) * aside)).astype(np.float32), labels


def margin_and_data(name, kwargs, seed=0):
    margin = make_margin(name, CLASSES, **kwargs)
    margin.build((None, SIZE))
    centers = np.random.default_rng(seed + 100).normal(0, 1, margin.centers.shape).astype(np.float32)
    margin.centers.assign(centers)
    return margin, centers, *data(centers, seed)


def state_of(margin):
    return {w.name.split("/")[-1].split(":")[0]: float(w) for w in margin.non_trainable_weights}


def arc(theta, m, easy):
    if easy:
        return math.cos(theta + m) if math.cos(theta) > 0 else math.cos(theta)
    return math.cos(theta + m) if theta < math.pi - m else math.cos(theta) - m * math.sin(math.pi - m)


def psi(theta, m):
    k = next(k for k in range(math.ceil(m)) if theta <= (k + 1) * math.pi / m)
    return (-1) ** k * math.cos(m * theta) - 2 * k


def naive(name, margin, x, centers, labels, state, lengths=None):
    """Logits (n, classes) and regularizer (n,) by the papers' formulas; `lengths` are those without a gradient."""
    x, centers = np.asarray(x, np.float64), np.asarray(centers, np.float64).reshape(SIZE, CLASSES, -1)
    m, s, logits, extra = margin.m, margin.s, np.empty((len(x), CLASSES)), np.zeros(len(x))
    if name == "adacos":
        s = state["scale"]
    for i in range(len(x)):
        length = math.sqrt(x[i] @ x[i])
        cos = [
            max(x[i] @ w / length / math.sqrt(w @ w) for w in centers[:, j].T)  # one, but for the sub-centers
            for j in range(CLASSES)
        ]
        own = cos[labels[i]]
        theta = math.acos(own)
        if name in ("arcface", "subcenter_arcface"):
            target = arc(theta, m, margin.easy_margin)
        elif name == "cosface":
            target = own - m
        elif name in ("normface", "adacos"):
            target = own
        elif name == "combined":
            target = math.cos(margin.multiplicative * theta + m) - margin.additive
        elif name == "sphereface":
            target = psi(theta, m)
        elif name == "li_arcface":
            target = (math.pi - 2 * (theta + m)) / math.pi
            cos = [(math.pi - 2 * math.acos(c)) / math.pi for c in cos]
        elif name == "curricularface":
            target = arc(theta, m, False)
            cos = [c * (state["t"] + c) if c > math.cos(theta + m) else c for c in cos]
        elif name == "adaface":
            seen = min(max(length if lengths is None else lengths[i], 0.001), 100)
            z = min(max((seen - state["mean"]) / (state["deviation"] + 0.001) * margin.h, -1), 1)
            g_angle, g_add = -m * z, m * z + m
            target = math.cos(min(max(theta + g_angle, 0.001), math.pi - 0.001)) - g_add
        elif name == "magface":
            a = min(max(length, margin.l_a), margin.u_a)
            m_a = (margin.u_m - m) / (margin.u_a - margin.l_a) * (a - margin.l_a) + m
            target = arc(theta, m_a, margin.easy_margin)
            extra[i] = margin.lambda_g * (1 / a + a / margin.u_a**2)
        logits[i] = s * np.array(cos)
        logits[i, labels[i]] = s * target
    return logits, extra


def naive_loss(logits, extra, labels):
    top = logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return float(np.mean(log_sum - logits[np.arange(len(labels)), labels] + extra))


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_margin_equals_its_formula(name, kwargs):
    margin, centers, x, labels = margin_and_data(name, kwargs)
    output = margin.forward(x, labels)
    logits, extra = naive(name, margin, x, centers, labels, state_of(margin))
    scale = float(margin.scale)
    np.testing.assert_allclose(output.logits / scale, logits / scale, atol=1e-5)
    np.testing.assert_array_equal(output.logits, margin([x, labels]))
    np.testing.assert_array_equal(output.labels, labels)
    if output.regularizer is not None:
        np.testing.assert_allclose(output.regularizer, extra, rtol=1e-5)
        np.testing.assert_allclose(margin.losses, [extra.mean()], rtol=1e-5)
    assert (output.regularizer is not None) == (name == "magface")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_margin_computes_in_float32_under_mixed_precision(name, kwargs, dtype, keras_policy):
    keras_policy(f"mixed_{dtype}")
    margin, centers, x, labels = margin_and_data(name, kwargs)
    half = tf.cast(x, dtype)
    output = margin.forward(half, labels)
    assert output.logits.dtype == margin.centers.dtype == tf.float32
    # Of the formula for what arrives, nothing is lost; what is lost before, in the embeddings, stays within 1e-2.
    scale, state = float(margin.scale), state_of(margin)
    arrived = naive(name, margin, tf.cast(half, tf.float32), centers, labels, state)[0]
    np.testing.assert_allclose(output.logits / scale, arrived / scale, atol=1e-5)
    if dtype == "float16":
        np.testing.assert_allclose(
            output.logits / scale, naive(name, margin, x, centers, labels, state)[0] / scale, atol=1e-2
        )


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_gradients_equal_finite_differences_of_the_formula(name, kwargs):
    kwargs = kwargs if name == "adacos" else {"s": 8.0, **kwargs}
    margin, centers, x, labels = margin_and_data(name, kwargs, seed=1)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = margin.forward(x, labels)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(output.labels, output.logits)
        loss = tf.reduce_mean(loss if output.regularizer is None else loss + output.regularizer)
    gradients = tape.gradient(loss, [x, margin.centers])
    point = [np.asarray(x, np.float64), centers.astype(np.float64)]
    lengths, state = np.linalg.norm(point[0], axis=1), state_of(margin)

    def at(which, direction, step):
        moved = list(point)
        moved[which] = point[which] + step * direction
        return naive_loss(*naive(name, margin, *moved, labels, state, lengths), labels)

    r = np.random.default_rng(2)
    for which, gradient in enumerate(gradients):
        for _ in range(6):
            direction = r.normal(size=point[which].shape)
            expected = (at(which, direction, 1e-6) - at(which, direction, -1e-6)) / 2e-6
            np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-3, atol=1e-5)


def test_cosines_are_those_before_the_margin():
    margin, centers, x, labels = margin_and_data("arcface", {})
    output = margin.forward(x, labels)
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (centers / np.linalg.norm(centers, axis=0))
    np.testing.assert_allclose(output.target_cosine, cosines[np.arange(EXAMPLES), labels], atol=1e-6)
    cosines[np.arange(EXAMPLES), labels] = -2
    np.testing.assert_allclose(output.other_cosine, cosines.max(1), atol=1e-6)


def run_steps(name, batches):
    """States and logits of a margin over training steps, and of the formula."""
    margin, centers, x, labels = margin_and_data(name, {})
    for rows in batches:
        before = state_of(margin)
        output = margin.forward(x[rows], labels[rows], training=True)
        yield margin, before, output, x[rows], labels[rows], centers


@pytest.mark.parametrize("name", ["curricularface", "adaface", "adacos"])
def test_statistics_follow_the_published_rules(name):
    for margin, before, output, x, labels, centers in run_steps(name, [slice(0, 10), slice(2, 8), slice(3, 4)]):
        unit = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
        cosines = unit @ (centers / np.linalg.norm(centers.astype(np.float64), axis=0))
        own = cosines[np.arange(len(x)), labels]
        if name == "curricularface":
            expected = {"t": 0.01 * own.mean() + 0.99 * before["t"]}
        elif name == "adaface":
            lengths = np.clip(np.linalg.norm(x.astype(np.float64), axis=1), 0.001, 100)
            deviation = lengths.std(ddof=1) if len(x) > 1 else 0.0
            expected = {
                "mean": 0.01 * lengths.mean() + 0.99 * before["mean"],
                "deviation": 0.01 * deviation + 0.99 * before["deviation"],
            }
        else:
            others = np.exp(before["scale"] * cosines)
            others[np.arange(len(x)), labels] = 0
            median = sorted(np.arccos(own))[(len(x) - 1) // 2]
            expected = {"scale": math.log(others.sum(1).mean()) / math.cos(min(math.pi / 4, median))}
        after = state_of(margin)
        assert set(after) == set(expected)
        for key in expected:
            assert after[key] == pytest.approx(expected[key], abs=1e-5)
        # The batch's own statistics are in effect already.
        np.testing.assert_allclose(output.logits, naive(name, margin, x, centers, labels, after)[0], atol=1e-3)


def test_adacos_starts_at_the_fixed_scale():
    assert float(margin_and_data("adacos", {})[0].scale) == pytest.approx(math.sqrt(2) * math.log(CLASSES - 1))
    two = make_margin("adacos", 2)
    two.build((None, 4))
    assert float(two.scale) > 0


@pytest.mark.parametrize("name", ["curricularface", "adaface", "adacos"])
def test_evaluation_and_empty_batches_leave_the_statistics_alone(name):
    margin, _, x, labels = margin_and_data(name, {})
    margin.forward(x, labels, training=True)
    before = state_of(margin)
    margin.forward(x[:4], labels[:4], training=False)
    assert state_of(margin) == before
    output = margin.forward(x[:0], labels[:0], training=True)
    assert state_of(margin) == before
    assert output.logits.shape == (0, CLASSES)
