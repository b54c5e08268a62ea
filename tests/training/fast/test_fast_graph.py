from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.models.blocks import bottleneck
from seesaw_keras.models.configs import get_config
from seesaw_keras.training.fast.fast_graph import FastForward

SHUFFLE = get_config("shuffle")
CONFIGS = {
    "shuffle": SHUFFLE,
    "share": get_config("share"),
    "shuffle_hard": get_config("shuffle_hard"),
    "mobilefacenet": get_config("mobilefacenet"),
    "phone": get_config("phone"),
    "dw_v1": get_config("dw_v1"),
    "prelu": replace(SHUFFLE, activation="prelu", se_activation="swish"),
    "relu6": replace(SHUFFLE, activation="relu6", squeeze_excite=()),
    "no squeeze-excite": replace(SHUFFLE, squeeze_excite=()),
}


def small_network(config, seed=0):
    """A stride-2 and a residual block, with weights and statistics that are nowhere 0 or 1."""
    inputs = keras.Input((8, 8, 16))
    squeezed = bool(config.squeeze_excite)
    x = bottleneck(inputs, 8, 24, config, name="down", strides=2, squeezed=squeezed)
    network = keras.Model(inputs, bottleneck(x, 8, 16, config, name="block", squeezed=squeezed))
    randomize(network, seed)
    return network


def randomize(network, seed=0):
    r = np.random.default_rng(seed)
    for weight in network.weights:
        positive = "gamma" in weight.name or "variance" in weight.name
        weight.assign(r.uniform(0.5, 1.5, weight.shape) if positive else r.normal(0, 0.4, weight.shape))


def images(*shape, seed=1):
    return tf.constant(np.random.default_rng(seed).normal(0, 1, shape), tf.float32)


def training_pass(forward, network, x):
    """Returns output, gradients by the input and all variables, and statistics after one pass from the same weights."""
    weights = network.get_weights()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = forward(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) * images(*y.shape, seed=2))
    gradients = tape.gradient(loss, [x, *network.trainable_variables])
    statistics = [weight.numpy() for weight in network.non_trainable_weights]
    network.set_weights(weights)
    return {"output": [y], "gradients": gradients, "statistics": statistics}


def assert_close(found, wanted, tolerance=1e-5):
    for kind in wanted:
        scale = max(float(np.abs(tensor).max()) for tensor in wanted[kind])
        for a, b in zip(found[kind], wanted[kind], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=kind)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_output_gradients_and_statistics_are_the_networks(name):
    network = small_network(CONFIGS[name])
    x = images(4, 8, 8, 16)
    fast = FastForward(network)
    assert fast.trainable_variables == network.trainable_variables
    assert_close(training_pass(fast, network, x), training_pass(network, network, x))


def test_frozen_batch_normalization_stays_frozen():
    network = small_network(SHUFFLE)
    for layer in network.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    before = [weight.numpy() for weight in network.non_trainable_weights]
    x = images(4, 8, 8, 16)
    found = training_pass(FastForward(network), network, x)
    assert_close(found, training_pass(network, network, x))
    for a, b in zip(found["statistics"], before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outside_of_training_it_is_the_network():
    network = small_network(SHUFFLE)
    x = images(3, 8, 8, 16)
    np.testing.assert_array_equal(FastForward(network)(x), network(x, training=False))


@pytest.mark.slow
def test_batches_of_any_size_without_a_slice_or_transpose_of_feature_maps():
    network = small_network(SHUFFLE)
    fast = FastForward(network)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 16))])
    def gradients(x):
        with tf.GradientTape() as tape:
            y = fast(x, training=True)
            loss = tf.reduce_sum(y)
        return y, tape.gradient(loss, network.trainable_variables)

    operations = gradients.get_concrete_function().graph.get_operations()
    of_maps = {o.type for o in operations for t in o.outputs if t.shape.rank == 4 and t.shape[0] is None}
    assert sum(o.type == "Conv2D" for o in operations) == 4  # one for each uneven pair
    assert not {"Transpose", "StridedSlice", "StridedSliceGrad", "ConcatV2"} & of_maps
    weights = network.get_weights()
    for size in (5, 2):
        x = images(size, 8, 8, 16)
        network.set_weights(weights)
        wanted = network(x, training=True)
        network.set_weights(weights)
        np.testing.assert_allclose(gradients(x)[0], wanted, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_its_dtype_and_nearly_its_values(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        network = small_network(SHUFFLE)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    x = images(4, 8, 8, 16)
    found, wanted = (training_pass(forward, network, x) for forward in (FastForward(network), network))
    assert found["output"][0].dtype == wanted["output"][0].dtype == policy.removeprefix("mixed_")
    assert_close(
        {kind: [np.asarray(tensor, np.float32) for tensor in found[kind]] for kind in found},
        {kind: [np.asarray(tensor, np.float32) for tensor in wanted[kind]] for kind in wanted},
        tolerance=0.05,
    )


def test_unsupported_layers_are_computed_unchanged():
    x = inputs = keras.Input((4, 4, 3))
    a = keras.layers.Conv2D(5, 3, padding="same")(x)
    b = keras.layers.BatchNormalization()(x)
    x = keras.layers.Concatenate()([a, b])
    x = keras.layers.Multiply()([x, keras.layers.Activation("tanh")(x)])
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    randomize(network)
    x = images(4, 4, 4, 3)
    assert_close(training_pass(FastForward(network), network, x), training_pass(network, network, x), 1e-6)
