"""Differences between a quantization-aware network and a flatbuffer are found where they are."""

import numpy as np
import pytest

from seesaw_keras.api import keras
from seesaw_keras.compression import fake_quantized_matches, quantize_aware
from seesaw_keras.tflite.conversion.convert import convert


@pytest.fixture(scope="module")
def made():
    """A small network with the names of the large ones, its flatbuffer, and images for both."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = keras.layers.ZeroPadding2D(1, name="stem_pad")(image)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem_conv")(x)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.PReLU(shared_axes=(1, 2), name="stem_act")(x)
    x = keras.layers.Conv2D(4, 4, use_bias=False, name="embedding_conv")(x)
    x = keras.layers.BatchNormalization(name="embedding_bn")(x)
    model = keras.Model(image, keras.layers.Flatten(name="embedding")(x))
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    aware = quantize_aware(model, ((images - 127.5) / 127.5).astype(np.float32))
    return aware, convert(aware), images


def test_every_operator_is_compared_once(made):
    aware, flatbuffer, images = made
    matches = fake_quantized_matches(aware, flatbuffer, images)
    assert sorted((match.layer, match.code, match.entries) for match in matches) == [
        ("embedding", "RESHAPE", 8 * 4),
        ("stem_act", "PRELU", 8 * 4 * 4 * 8),
        ("stem_bn", "CONV_2D", 8 * 4 * 4 * 8),
        ("stem_pad", "PAD", 8 * 10 * 10 * 3),
    ]
    assert all(match.good and match.within == 1 and match.furthest <= 1 for match in matches)
    assert [match.equal for match in matches] == sorted(match.equal for match in matches)
    assert matches[0].equal > 0.9


def test_the_layer_that_differs_is_named_first_and_no_other(made):
    aware, flatbuffer, images = made
    (norm,) = (layer.layer for layer in aware.layers if layer.name == "quant_stem_bn")
    beta = norm.beta.numpy()
    try:
        norm.beta.assign(beta + 0.1)
        worst, *others = fake_quantized_matches(aware, flatbuffer, images)
    finally:
        norm.beta.assign(beta)
    assert (worst.layer, worst.good) == ("stem_bn", False)
    assert worst.furthest > 1 and worst.within < 0.999
    assert all(match.good for match in others)


@pytest.mark.slow
def test_flatbuffers_of_other_networks_are_refused(made, compressed):
    aware, _, images = made
    with pytest.raises(ValueError, match=r"was not converted from model.*: \d+ tensors do not belong to"):
        fake_quantized_matches(aware, compressed("phone").flatbuffer, images)
