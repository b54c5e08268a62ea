"""Channels without weights keep their bias."""

import numpy as np
import pytest

from seesaw_keras.api import keras
from seesaw_keras.compression import fake_quantized_matches, quantize_aware
from seesaw_keras.tflite.conversion.convert import convert
from seesaw_keras.tflite.flatbuffer import dumps

EMPTY = {"stem_conv": [1, 4], "stage1_dw_conv": [2], "embedding_conv": [0]}


@pytest.fixture(scope="module")
def sparse():
    """A network in which some channels have no weights, and a batch normalization that would scale them up."""
    keras.utils.set_random_seed(0)
    r = np.random.default_rng(0)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="stem_conv")(image)
    x = keras.layers.BatchNormalization(epsilon=1e-5, name="stem_bn")(x)
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="stage1_dw_conv")(x)
    x = keras.layers.BatchNormalization(epsilon=1e-5, name="stage1_dw_bn")(x)
    x = keras.layers.Conv2D(6, 4, name="embedding_conv")(x)
    model = keras.Model(image, keras.layers.Flatten(name="embedding")(x))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (r.uniform(0.5, 1.0, layer.gamma.shape) for _ in range(4))
            empty = EMPTY[layer.name.replace("_bn", "_conv")]
            mean[empty], variance[empty] = 0, 0  # as training leaves them
            layer.set_weights([gamma, beta, mean, variance])
    for name, channels in EMPTY.items():
        kernel, *bias = model.get_layer(name).get_weights()
        kernel[(..., channels, slice(None)) if "dw" in name else (..., channels)] = 0
        model.get_layer(name).set_weights([kernel, *(np.linspace(-0.6, 0.6, b.size) for b in bias)])
    return model


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (32, 8, 8, 3), np.uint8)


def empty_channels(model):
    """Convolution -> its channels without weights, their bias in real numbers."""
    found = {}
    for operator in model.main.operators:
        if "CONV" in operator.code:
            _, weights, bias = operator.inputs
            axes = (1, 2, 3) if operator.code == "CONV_2D" else (0, 1, 2)
            (empty,) = np.nonzero(~weights.data.any(axes))
            assert np.abs(bias.data).max() < 2**30
            found[weights.name] = empty.tolist(), (bias.data * bias.quantization.scales)[empty]
    return found


def expected(model):
    beta = {name: model.get_layer(name).beta.numpy() for name in ("stem_bn", "stage1_dw_bn")}
    bias = model.get_layer("embedding_conv").bias.numpy()
    return {
        "stem/weights": ([1, 4], beta["stem_bn"][[1, 4]]),
        "stage1_dw/weights": ([2], beta["stage1_dw_bn"][[2]]),
        "embedding/conv_2d/weights": ([0], bias[[0]]),
    }


@pytest.mark.slow
@pytest.mark.parametrize("way", ["after training", "aware"])
def test_biases_of_channels_without_weights_are_said(way, sparse, pixels, embed):
    floats = ((pixels - 127.5) / 127.5).astype(np.float32)
    if way == "aware":
        aware = quantize_aware(sparse, floats)
        made = convert(aware)
        worst, *_ = fake_quantized_matches(aware, made, pixels)
        assert worst.good, worst
    else:
        made = convert(sparse, images=pixels)
    found = empty_channels(made)
    assert found.keys() == expected(sparse).keys()
    for name, (channels, biases) in expected(sparse).items():
        assert found[name][0] == channels
        np.testing.assert_allclose(found[name][1], biases, atol=1e-4)
    step = made.main.outputs[0].quantization.scale
    assert np.abs(embed(dumps(made), pixels) - sparse(floats).numpy()).mean() < 2 * step
