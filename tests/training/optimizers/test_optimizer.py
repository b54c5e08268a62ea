"""The optimizers that need no extra, against NumPy; PyTorch's own are in tests/with_torch."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.training import recipe
from seesaw_keras.training.optimizers import optimizer as module
from seesaw_keras.training.optimizers.optimizer import OPTIMIZERS, Optimizer, reference_weight_decay
from seesaw_keras.training.optimizers.schedules import make_schedule

SHAPES = {"conv/kernel": (3, 2), "bn/gamma": (4,), "embedding_conv/kernel": (2, 5)}
DECAYS = {"conv/kernel": 0.05, "bn/gamma": 0.0, "embedding_conv/kernel": 0.5}
STEPS = 7


def decay_of(variable):
    return DECAYS[variable.name.split(":")[0]]


def step_schedule(peak=0.1):
    return make_schedule("step", peak=peak, total_steps=STEPS, milestones=(3, 5))


def start():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def gradients_of(step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES.values()]


def make_variables():
    return [tf.Variable(value, name=name) for name, value in start().items()]


def train(optimizer, variables, steps=range(STEPS), *, strategy=None, compiled=False, gradients=gradients_of):
    """Steps on losses of the wanted gradients, shared unevenly, as a last batch is; returns what `apply` reports."""

    def replica_step(wanted, share):
        with tf.GradientTape() as tape:
            products = [
                tf.reduce_sum(gradient * variable) for gradient, variable in zip(wanted, variables, strict=True)
            ]
            loss = optimizer.scale(share * tf.add_n(products))
        return optimizer.apply(tape.gradient(loss, variables), variables)

    strategy = strategy or tf.distribute.get_strategy()
    shares = [0.25, 0.75] if strategy.num_replicas_in_sync == 2 else [1.0]
    share = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shares[context.replica_id_in_sync_group])
    )
    step = tf.function(lambda wanted: strategy.run(replica_step, (wanted, share)), jit_compile=compiled)
    reports = []
    for number in steps:
        report = step([tf.constant(gradient) for gradient in gradients(number)])
        parts = [tf.nest.map_structure(np.asarray, part) for part in local_parts(strategy, report)]
        assert all(repr(part) == repr(parts[0]) for part in parts)  # NaN is not equal to itself
        reports.append(parts[0])
    return reports


def local_parts(strategy, report):
    """One report a replica."""
    parts = {name: strategy.experimental_local_results(value) for name, value in report.items()}
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]


def values(variables):
    return [variable.numpy() for variable in variables]


def pytorch_sgd(momentum, clip_norm=None):
    """PyTorch's rule (documentation of torch.optim.SGD), float64."""
    weights = [value.astype(np.float64) for value in start().values()]
    buffers = [None] * len(weights)
    for step in range(STEPS):
        rate = 0.1 * 0.1 ** sum(step >= milestone for milestone in (3, 5))
        gradients = [gradient.astype(np.float64) for gradient in gradients_of(step)]
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        for i, decay in enumerate(DECAYS.values()):
            gradient = gradients[i] if clip_norm is None else gradients[i] * min(1, clip_norm / norm)
            gradient = gradient + decay * weights[i]
            buffers[i] = gradient if buffers[i] is None else momentum * buffers[i] + gradient
            weights[i] = weights[i] - rate * buffers[i]
    return weights


def adamw():
    """arXiv 1711.05101, algorithm 2, with Adam's epsilon where Keras has it (Adam, end of section 2), float64."""
    weights = [value.astype(np.float64) for value in start().values()]
    first, second = [0.0] * len(weights), [0.0] * len(weights)
    for step in range(STEPS):
        rate = 0.1 * 0.1 ** sum(step >= milestone for milestone in (3, 5))
        corrected = rate * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        for i, (gradient, decay) in enumerate(zip(gradients_of(step), DECAYS.values(), strict=True)):
            first[i] = 0.9 * first[i] + 0.1 * gradient.astype(np.float64)
            second[i] = 0.999 * second[i] + 0.001 * gradient.astype(np.float64) ** 2
            weights[i] = weights[i] * (1 - rate * decay) - corrected * first[i] / (np.sqrt(second[i]) + 1e-7)
    return weights


def assert_all_close(got, wanted, rtol=2e-5, atol=2e-6):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize("how", ["graph", "xla", "two_cpus"])
@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("sgd", {}, lambda: pytorch_sgd(0.9)),
        ("sgd", {"momentum": 0.0}, lambda: pytorch_sgd(0.0)),
        ("sgd", {"clip_norm": 2.0, "loss_scaling": True}, lambda: pytorch_sgd(0.9, clip_norm=2.0)),
        ("adamw", {}, adamw),
    ],
    ids=["sgd", "plain", "clipped", "adamw"],
)
def test_the_weights_are_those_of_numpy(request, name, options, wanted, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()
    with strategy.scope():
        variables = make_variables()
        optimizer = Optimizer(name, step_schedule(), decays=decay_of, **options)
    reports = train(optimizer, variables, strategy=strategy, compiled=how == "xla")
    assert_all_close(values(variables), wanted())
    assert all(report["applied"] for report in reports)
    norms = [np.sqrt(sum((gradient**2).sum() for gradient in gradients_of(step))) for step in range(STEPS)]
    np.testing.assert_allclose([report["gradient_norm"] for report in reports], norms, rtol=1e-5)
    assert optimizer.iterations.numpy() == STEPS
    np.testing.assert_allclose(optimizer.learning_rate, 1e-3)


def test_clipping_spares_small_gradients():
    loose, free = make_variables(), make_variables()
    train(Optimizer("sgd", step_schedule(), clip_norm=1e3), loose)
    train(Optimizer("sgd", step_schedule()), free)
    assert_all_close(values(loose), values(free), rtol=0, atol=0)


def overflowing(step):
    """Finite but for the steps 2 and 3."""
    gradients = gradients_of(step)
    if step in (2, 3):
        gradients[1][0] = np.inf if step == 2 else np.nan
    return gradients


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("how", ["graph", "xla", "two_cpus"])
def test_non_finite_gradients_skip_the_step_and_halve_the_scale(request, name, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()
    with strategy.scope():
        variables, others = make_variables(), make_variables()
        optimizer, other = (Optimizer(name, step_schedule(), decays=decay_of, loss_scaling=True) for _ in range(2))
    reports = train(optimizer, variables, strategy=strategy, compiled=how == "xla", gradients=overflowing)
    assert [bool(report["applied"]) for report in reports] == [step not in (2, 3) for step in range(STEPS)]
    assert optimizer.iterations.numpy() == STEPS - 2
    assert float(optimizer.loss_scale) == 2.0**13
    train(other, others, [0, 1, 4, 5, 6], strategy=strategy, compiled=how == "xla")
    assert_all_close(values(variables), values(others), rtol=1e-6, atol=0)


def test_without_loss_scaling_non_finite_gradients_do_no_harm_either():
    variables = make_variables()
    optimizer = Optimizer("sgd", step_schedule(), decays=decay_of)
    report = train(optimizer, variables, [2], gradients=overflowing)[0]
    assert not report["applied"]
    assert np.isinf(report["gradient_norm"])
    assert_all_close(values(variables), start().values(), rtol=0, atol=0)
    assert float(optimizer.loss_scale) == 1


def test_the_loss_scale_grows_back_within_bounds(monkeypatch):
    monkeypatch.setattr(module, "_GROWTH_STEPS", 3)
    variables = make_variables()
    optimizer = Optimizer("sgd", step_schedule(), loss_scaling=True)
    zeros = [tf.zeros(shape) for shape in SHAPES.values()]
    step = tf.function(lambda: optimizer.apply(zeros, variables))
    scales = []
    for _ in range(40):
        step()
        scales.append(float(optimizer.loss_scale))
    assert scales == [min(2.0 ** (15 + steps // 3), 2.0**24) for steps in range(1, 41)]


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("how", ["graph", "two_cpus"])
def test_a_restored_optimizer_goes_on_bit_for_bit(request, tmp_path, name, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()

    def make():
        with strategy.scope():
            variables = make_variables()
            optimizer = Optimizer(name, step_schedule(), decays=decay_of, loss_scaling=True)
            optimizer.build(variables)
        return variables, optimizer, tf.train.Checkpoint(variables=variables, optimizer=optimizer)

    variables, optimizer, checkpoint = make()
    train(optimizer, variables, range(3), strategy=strategy, gradients=overflowing)
    path = checkpoint.write(tmp_path / "checkpoint")
    train(optimizer, variables, range(3, STEPS), strategy=strategy, gradients=overflowing)

    others, other, checkpoint = make()
    checkpoint.read(path).assert_consumed()
    assert other.iterations.numpy() == 2
    train(other, others, range(3, STEPS), strategy=strategy, gradients=overflowing)
    assert_all_close(values(others), values(variables), rtol=0, atol=0)
    assert float(other.loss_scale) == float(optimizer.loss_scale) == 2.0**13


def test_a_float16_network_trains_on_two_replicas_as_on_one(keras_policy, two_cpus):
    keras_policy("mixed_float16")
    rng = np.random.default_rng(0)
    inputs, targets = (rng.normal(size=shape).astype(np.float32) for shape in ((8, 3), (8, 1)))
    initial = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))
    trained = []
    for strategy in (tf.distribute.get_strategy(), two_cpus):
        with strategy.scope():
            layers = [keras.layers.Dense(4, "relu", use_bias=False), keras.layers.Dense(1, use_bias=False)]
            model = keras.Sequential([keras.Input((3,)), *layers])
            model.set_weights(initial)
            optimizer = Optimizer("sgd", step_schedule(1e6), loss_scaling=True)

        def replica_step(images, targets, model=model, optimizer=optimizer):
            with tf.GradientTape() as tape:
                errors = tf.cast(model(images), tf.float32) - targets
                loss = optimizer.scale(tf.reduce_sum(errors**2) * 1e-8 / 8)  # its gradients underflow in float16
            return optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        step = tf.function(lambda images, targets, run=strategy.run, step=replica_step: run(step, (images, targets)))
        parts = strategy.num_replicas_in_sync
        images_and_targets = [
            strategy.experimental_distribute_values_from_function(
                lambda c, whole=whole, parts=parts: tf.constant(np.split(whole, parts)[c.replica_id_in_sync_group])
            )
            for whole in (inputs, targets)
        ]
        for _ in range(5):
            step(*images_and_targets)
        trained.append(model.get_weights())
    assert_all_close(trained[0], trained[1], rtol=5e-3, atol=5e-4)
    assert all(np.abs(value - before).max() > 0.02 for value, before in zip(trained[0], initial, strict=True))


def test_a_variable_without_gradient_is_named():
    variables = make_variables()
    with pytest.raises(ValueError, match="does not depend on bn/gamma:0"):
        Optimizer("sgd", step_schedule()).apply([tf.zeros((3, 2)), None, tf.zeros((2, 5))], variables)


def test_sparse_gradients_are_taken_whole():
    table, same = tf.Variable(tf.ones((4, 2))), tf.Variable(tf.ones((4, 2)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table, [1, 1]))
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.IndexedSlices)
    for variable, given in ((table, gradient), (same, tf.constant([[0.0, 0], [2, 2], [0, 0], [0, 0]]))):
        Optimizer("sgd", step_schedule(), decays=lambda _: 0.1).apply([given], [variable])
    np.testing.assert_array_equal(table, same)


@pytest.mark.slow
def test_the_reference_groups_cover_a_network():
    model = seesaw_keras.build("shuffle", input_shape=(32, 32, 3), width=0.25, activation="prelu")
    decay = reference_weight_decay(4e-5, 4e-4)
    groups = {rate: {v.name for v in model.trainable_variables if decay(v) == rate} for rate in (0.0, 4e-5, 4e-4)}
    normalized = [layer for layer in model.layers if layer.__class__.__name__ == "BatchNormalization"]
    assert groups[0.0] == {v.name for layer in normalized for v in layer.trainable_variables}
    assert groups[4e-4] == {"embedding_conv/kernel:0"}
    assert sum(map(len, groups.values())) == len(model.trainable_variables)
    assert {name.rsplit("/", 1)[1] for name in groups[4e-5]} >= {"kernel:0", "alpha:0", "bias:0"}
    assert decay(tf.Variable([1.0], name="arcface/centers")) == 4e-4


def test_the_recipe_lists_the_same_optimizers():
    assert get_args(recipe.Optimizer) == OPTIMIZERS


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [("adam", {}, "unknown optimizer 'adam'.*adamw"), ("sgd", {"clip_norm": 0.0}, "clip_norm must be above 0")],
)
def test_bad_arguments_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        Optimizer(name, step_schedule(), **options)
