"""The optimizers of tensorflow-addons; collected only where it is installed (the extra `addons`)."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.training.optimizers.optimizer import Optimizer
from seesaw_keras.training.optimizers.schedules import make_schedule

STEPS = 48
SHAPES = [(3, 2), (5,)]
DECAYS = [0.05, 0.0]


def rate(step):
    return 0.1 if step < 30 else 0.01


def make(name, strategy):
    with strategy.scope():
        rng = np.random.default_rng(0)
        variables = [tf.Variable(rng.normal(size=s).astype(np.float32), name=f"v{i}") for i, s in enumerate(SHAPES)]
        schedule = make_schedule("step", peak=0.1, total_steps=STEPS, milestones=[30])
        decays = {f"v{i}:0": decay for i, decay in enumerate(DECAYS)}
        optimizer = Optimizer(name, schedule, decays=lambda variable: decays[variable.name], loss_scaling=True)
        optimizer.build(variables)
    return variables, optimizer


def gradients_of(step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def train(variables, optimizer, strategy, steps, compiled=False):
    def replica_step(gradients):
        share = 1 / strategy.num_replicas_in_sync
        return optimizer.apply([optimizer.scale(gradient * share) for gradient in gradients], variables)["applied"]

    step = tf.function(lambda gradients: strategy.run(replica_step, (gradients,)), jit_compile=compiled)
    for number in steps:
        step([tf.constant(gradient) for gradient in gradients_of(number)])


def values(variables):
    return [variable.numpy() for variable in variables]


def naive(name):
    """Each variable's path, float64: the papers' rules, with the defaults of tensorflow-addons."""
    start = [value.astype(np.float64) for value in values(make(name, tf.distribute.get_strategy())[0])]
    rule = {"lamb": lamb, "radam": radam, "lookahead": lookahead, "swa": sgd}[name]
    return [rule(value, decay, i) for i, (value, decay) in enumerate(zip(start, DECAYS, strict=True))]


def moments(i):
    m = v = 0.0
    for step in range(STEPS):
        gradient = gradients_of(step)[i].astype(np.float64)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        yield step, m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))


def lamb(weight, decay, i):
    path = []
    for step, m, v in moments(i):
        weight = weight * (1 - rate(step) * decay)
        update = m / (np.sqrt(v) + 1e-6)
        weight = weight - rate(step) * np.linalg.norm(weight) / np.linalg.norm(update) * update
        path.append(weight)
    return path


def radam(weight, decay, i, sync=None):
    path, slow, longest = [], weight, 2 / (1 - 0.999) - 1
    for step, m, v in moments(i):
        t = step + 1
        length = longest - 2 * t * 0.999**t / (1 - 0.999**t)
        update = m
        if length >= 5:
            rectifier = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            update = np.sqrt(rectifier) * m / (np.sqrt(v) + 1e-7)
        weight = weight * (1 - rate(step) * decay) - rate(step) * update
        if sync and t % sync == 0:
            weight = slow = slow + 0.5 * (weight - slow)
        path.append(weight)
    return path


def lookahead(weight, decay, i):
    return radam(weight, decay, i, sync=6)


def sgd(weight, decay, i):
    path, buffer = [], 0.0
    for step in range(STEPS):
        buffer = 0.9 * buffer + gradients_of(step)[i] + decay * weight
        weight = weight - rate(step) * buffer
        path.append(weight)
    return path


NAMES = ["lamb", "radam", "lookahead", "swa"]


@pytest.mark.parametrize("how", ["graph", "xla", "two_cpus"])
@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_of_numpy(request, name, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()
    variables, optimizer = make(name, strategy)
    train(variables, optimizer, strategy, range(STEPS), compiled=how == "xla")
    for variable, path in zip(variables, naive(name), strict=True):
        np.testing.assert_allclose(variable, path[-1], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("how", ["graph", "two_cpus"])
@pytest.mark.parametrize("name", NAMES)
def test_a_restored_optimizer_goes_on_bit_for_bit(request, tmp_path, name, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()
    variables, optimizer = make(name, strategy)
    train(variables, optimizer, strategy, range(42))
    path = tf.train.Checkpoint(variables=variables, optimizer=optimizer).write(tmp_path / "checkpoint")
    train(variables, optimizer, strategy, range(42, STEPS))
    optimizer.finalize_variable_values(variables)

    others, other = make(name, strategy)
    tf.train.Checkpoint(variables=others, optimizer=other).read(path).assert_consumed()
    train(others, other, strategy, range(42, STEPS))
    other.finalize_variable_values(others)
    for got, wanted in zip(values(others), values(variables), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("how", ["graph", "two_cpus"])
def test_swa_averages_every_tenth_step_of_the_last_quarter(request, how):
    strategy = request.getfixturevalue("two_cpus") if how == "two_cpus" else tf.distribute.get_strategy()
    variables, optimizer = make("swa", strategy)
    train(variables, optimizer, strategy, range(36))
    before = values(variables)
    optimizer.finalize_variable_values(variables)  # nothing is averaged yet
    for got, wanted in zip(values(variables), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
    train(variables, optimizer, strategy, range(36, STEPS))
    optimizer.finalize_variable_values(variables)
    for variable, path in zip(variables, naive("swa"), strict=True):
        np.testing.assert_allclose(variable, (path[36] + path[46]) / 2, rtol=2e-5, atol=2e-6)


_IMPORT = """
import keras, sys
import tensorflow as tf
from seesaw_keras.training.optimizers.addons import import_addons
import_addons()
assert keras.__version__.startswith("3")
assert sys.modules["keras"] is keras
assert tf.keras.Model is keras.Model
assert sys.modules["keras.src"].__name__ == "keras.src"
assert "tf_keras" not in {module.__name__ for name, module in sys.modules.items() if name.startswith("tensorflow.")}
"""


def test_keras_3_comes_back_after_the_import():
    # In a separate process: once TFMOT has been imported, which sets TF_USE_LEGACY_KERAS, `tf.keras` is tf_keras.
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", _IMPORT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
