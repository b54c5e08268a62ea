"""`set_batch_statistics` sets the moving statistics of every batch normalization to those of the batch."""

import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.models.statistics import set_batch_statistics


@pytest.mark.slow
def test_moving_statistics_are_those_of_the_batch():
    keras.utils.set_random_seed(0)
    model = seesaw_keras.build("shuffle_hard", input_shape=(32, 32, 3), width=0.25, embedding_size=16)
    images = np.random.default_rng(0).uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32)
    set_batch_statistics(model, images)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    inputs = keras.Model(model.input, [layer.input for layer in layers])(images)
    for layer, x in zip(layers, inputs, strict=True):
        assert layer.momentum == 0.9
        assert np.all(layer.gamma.numpy() == 1)  # zero-initialized gammas are set to one
        flat = x.numpy().reshape(-1, x.shape[-1]).astype(np.float64)
        np.testing.assert_allclose(layer.moving_mean, flat.mean(0), atol=1e-4 * flat.std(), err_msg=layer.name)
        np.testing.assert_allclose(layer.moving_variance, flat.var(0), rtol=1e-4, err_msg=layer.name)
