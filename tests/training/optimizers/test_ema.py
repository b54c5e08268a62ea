import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.training.optimizers.ema import ExponentialMovingAverage


def make_network():
    """Kernel, gamma, beta, moving mean and moving variance, the last two kept by each replica."""
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, use_bias=False), keras.layers.BatchNormalization()]
    )


def naive(history, decay):
    average = history[0].astype(np.float64)
    for t, value in enumerate(history[1:]):
        d = min(decay, (1 + t) / (10 + t))
        average = d * average + (1 - d) * value
    return average


def values(variables):
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("where", ["outside", "replica", "xla", "two_cpus", "two_cpus_outside"])
@pytest.mark.parametrize("decay", [0.3, 0.99])
def test_the_average_is_that_of_numpy(request, where, decay):
    strategy = request.getfixturevalue("two_cpus") if "two_cpus" in where else tf.distribute.get_strategy()
    with strategy.scope():
        model = make_network()
        average = ExponentialMovingAverage(model.variables, decay)
    update = average.update
    if where in ("replica", "two_cpus"):
        update = tf.function(lambda: strategy.run(average.update))
    elif where == "xla":
        update = tf.function(average.update, jit_compile=True)
    history = [values(model.variables)]
    rng = np.random.default_rng(0)
    for _ in range(12):
        with strategy.scope():
            for variable in model.variables:
                variable.assign(rng.normal(size=variable.shape))
            history.append(values(model.variables))
            update()
    with average.swapped():
        averaged = values(model.variables)
    for got, *past in zip(averaged, *history, strict=True):
        np.testing.assert_allclose(got, naive(past, decay), rtol=1e-5, atol=1e-6)


def local(strategy, model):
    return [part.numpy() for v in model.variables for part in strategy.experimental_local_results(v)]


def test_moving_statistics_of_each_replica_survive_a_swap(two_cpus):
    with two_cpus.scope():
        model = make_network()
        average = ExponentialMovingAverage(model.variables, 0.5)
    batches = two_cpus.experimental_distribute_values_from_function(
        lambda context: tf.random.stateless_normal((8, 3), (1, context.replica_id_in_sync_group))
    )

    @tf.function
    def step():
        def replica_step(batch):
            model(batch, training=True)
            average.update()

        two_cpus.run(replica_step, (batches,))

    step()
    step()
    before = local(two_cpus, model)
    assert not np.array_equal(before[-2], before[-1])  # the moving variances of the two replicas
    with average.swapped():
        within = local(two_cpus, model)
        assert model.predict(np.zeros((2, 3), np.float32), verbose=0).shape == (2, 2)
    assert not np.array_equal(within[-1], before[-1])
    for got, wanted in zip(local(two_cpus, model), before, strict=True):
        np.testing.assert_array_equal(got, wanted)

    alone = make_network()
    average.assign_to(alone.variables)
    with average.swapped():
        for got, wanted in zip(values(alone.variables), values(model.variables), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_an_error_within_a_swap_puts_the_weights_back():
    variable = tf.Variable([1.0])
    average = ExponentialMovingAverage([variable], 0.9)
    variable.assign([2.0])
    with pytest.raises(KeyError), average.swapped():
        assert float(variable[0]) == 1.0
        raise KeyError
    assert float(variable[0]) == 2.0


def test_whole_numbers_are_copied():
    counter = tf.Variable(3)
    average = ExponentialMovingAverage([counter], 0.9)
    counter.assign(8)
    average.update()
    counter.assign(9)
    with average.swapped():
        assert int(counter) == 8


@pytest.mark.parametrize("where", ["alone", "two_cpus"])
def test_a_restored_average_goes_on_bit_for_bit(request, tmp_path, where):
    strategy = request.getfixturevalue("two_cpus") if where == "two_cpus" else tf.distribute.get_strategy()

    def make():
        with strategy.scope():
            model = make_network()
            average = ExponentialMovingAverage(model.variables, 0.9)
        return model, average, tf.train.Checkpoint(model=model, average=average)

    def run(model, average, numbers):
        with strategy.scope():
            for number in numbers:
                for variable in model.variables:
                    variable.assign(variable + number)
                average.update()

    model, average, checkpoint = make()
    run(model, average, range(3))
    path = checkpoint.write(tmp_path / "checkpoint")
    run(model, average, range(3, 9))
    other, other_average, checkpoint = make()
    checkpoint.read(path).assert_consumed()
    run(other, other_average, range(3, 9))
    with average.swapped(), other_average.swapped():
        for got, wanted in zip(values(other.variables), values(model.variables), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_averages_of_another_network_are_refused():
    average = ExponentialMovingAverage([tf.Variable([1.0])], 0.9)
    with pytest.raises(ValueError, match="do not match the averages: 1 expected, 2 given"):
        average.assign_to([tf.Variable([1.0]), tf.Variable([1.0])])
    with pytest.raises(ValueError, match="or shapes differ"):
        average.assign_to([tf.Variable([1.0, 2.0])])


@pytest.mark.parametrize("decay", [0.0, 1.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        ExponentialMovingAverage([], decay)
