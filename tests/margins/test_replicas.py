"""The same global batches on one replica and on two give the same losses."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

_TWO_REPLICAS = """
    import contextlib, json
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from seesaw_keras.api import keras
    from seesaw_keras.margins import with_margin

    def network():
        image = keras.Input((8,), name="image")
        x = keras.layers.UnitNormalization()(keras.layers.Dense(16)(image))
        return keras.Model(image, x)

    r = np.random.default_rng(0)
    # Plain fit weighs all replicas alike: every batch, the last one too, must be even to compare.
    x, labels = r.normal(size=(20, 8)).astype("float32"), r.integers(0, 30, 20)
    results = []
    for margin, rate in (("arcface", 1.0), ("magface", 0.4), ("curricularface", 0.4)):
        for strategy in (None, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
            keras.utils.set_random_seed(0)
            with strategy.scope() if strategy else contextlib.nullcontext():
                model = with_margin(network(), 30, margin=margin, sample_rate=rate)
                loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
                model.compile(keras.optimizers.SGD(0.05), loss)
            data = tf.data.Dataset.from_tensor_slices(((x, labels), labels)).batch(8)
            losses = model.fit(data, epochs=3, verbose=0).history["loss"]
            states = [float(w.numpy()) for w in model.non_trainable_weights]
            results.append([margin, rate, losses, states])
            model.save_weights("two.weights.h5")
    print(json.dumps(results))
"""


@pytest.mark.slow
def test_two_replicas_train_as_one(tmp_path, repository):
    # In a separate process: logical devices must be created before TensorFlow's first operation.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_TWO_REPLICAS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    for one, two in zip(results[::2], results[1::2], strict=True):
        (margin, _, losses, states), (_, _, losses_of_two, states_of_two) = one, two
        assert losses[-1] < losses[0]
        if margin == "curricularface":
            # Its t is each replica's own, as batch normalization's statistics are: alike, not equal.
            np.testing.assert_allclose(losses_of_two[0], losses[0], rtol=1e-2)
            np.testing.assert_allclose(states_of_two, states, atol=0.02)
        else:
            np.testing.assert_allclose(losses_of_two, losses, rtol=1e-5, err_msg=margin)
            np.testing.assert_array_equal(states_of_two, states)
