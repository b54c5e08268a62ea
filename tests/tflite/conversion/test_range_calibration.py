"""Ranges against what Keras' layers put out, and against TensorFlow's own emulation of int8."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.api import keras
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.convert import convert
from seesaw_keras.tflite.conversion.interface import to_float
from seesaw_keras.tflite.conversion.range_calibration import SHARES, Range, least_noise_share, measure_ranges


@pytest.mark.slow
def test_ranges_are_those_of_keras_layers(network, faces):
    model = network("mobilefacenet")
    made = convert(model, type="float32")
    tensors = made.main.tensors
    ranges = {tensors[number].name: limits for number, limits in measure_ranges(made, faces).items()}
    x = to_float(faces)
    assert ranges["image"] == (x.min(), x.max())
    layers = [layer for layer in model.layers[1:-1] if layer.name in ranges and not layer.name.endswith("pad")]
    assert len(layers) > 16
    for layer, values in zip(layers, keras.Model(model.input, [layer.output for layer in layers])(x), strict=True):
        span = Range(float(values.numpy().min()), float(values.numpy().max()))
        limits = span.narrowed(least_noise_share(values.numpy(), span))
        np.testing.assert_allclose(ranges[layer.name], limits, rtol=1e-3, atol=1e-3, err_msg=layer.name)
    assert len(ranges) == sum(tensor.data is None for tensor in tensors)


def test_what_an_add_would_overwrite_keeps_its_own_scale(converted):
    """Swish is -0.2785 at least; its scale leaves no room for the sum that TensorFlow's calibrator finds there."""
    tensors = {tensor.name: tensor for tensor in flatbuffer.loads(converted("dw_v2")).main.tensors}
    swish = tensors["stage1_down_mapping_act"].quantization
    assert (-128 - swish.zero_point) * swish.scale > -0.2785 - swish.scale


def noise(values, limits):
    """Of TensorFlow's fake quantization, counted by each channel's variance."""
    rounded = tf.quantization.fake_quant_with_min_max_args(values, min(limits.minimum, 0), max(limits.maximum, 0))
    error = np.square(rounded - values, dtype=np.float64).mean((0, 1, 2))
    variance = values.var((0, 1, 2), dtype=np.float64)
    return (error / np.maximum(variance, 0.1 * np.median(variance))).sum()


@pytest.mark.slow
@settings(deadline=None)  # TensorFlow's first call takes longer
@given(
    seed=st.integers(0, 2**32 - 1),
    tail=st.floats(0, 2.5),
    scale=st.floats(0.01, 100),
    low=st.sampled_from([-np.inf, -0.28, 0.0]),
)
def test_the_share_is_the_one_with_least_noise(seed, tail, scale, low):
    r = np.random.default_rng(seed)
    loud = np.exp(tail * r.normal(size=(4, 6, 6, 8))) * np.exp(tail * r.normal(size=8))
    values = (np.maximum(r.normal(size=loud.shape) * loud, low) * scale).astype(np.float32)
    span = Range(float(values.min()), float(values.max()))
    noises = [noise(values, span.narrowed(share)) for share in SHARES]
    # TensorFlow moves the range by up to half a step so that zero is exact, as the int8 network will.
    assert noises[SHARES.index(least_noise_share(values, span))] <= min(noises) * 1.05


def test_a_single_large_channel_is_clipped():
    values = np.random.default_rng(0).normal(0, 1, (8, 8, 8, 32)).astype(np.float32)
    values[..., 0] *= 12
    loud = Range(float(values.min()), float(values.max()))
    narrow = loud.narrowed(least_noise_share(values, loud))
    assert narrow.maximum < 0.7 * loud.maximum
    assert noise(values, narrow) < 0.7 * noise(values, loud)


@pytest.mark.parametrize("values", [np.zeros((2, 4, 4, 3)), np.ones((64, 1, 1, 3)), np.ones((2, 8))])
def test_constant_values_keep_their_range(values):
    values = values.astype(np.float32)
    assert least_noise_share(values, Range(float(values.min()), float(values.max()))) == 1


def test_narrowing_clips_the_farther_end_and_spares_a_nearer_one():
    assert Range(-0.28, 40.0).narrowed(0.25) == Range(-0.28, 10.0)
    assert Range(-8.0, 2.0).narrowed(0.125) == Range(-1.0, 1.0)
    assert Range(5.0, 8.0).narrowed(0.25) == Range(2.0, 2.0)
    assert Range(-8.0, -5.0).narrowed(0.25) == Range(-2.0, -2.0)
