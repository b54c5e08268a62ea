"""Dense layers: LiteRT and TFLite Micro compute them differently, and the convolutions in their place the same."""

import numpy as np
import pytest

from seesaw_keras.tflite.conversion.dense_layers import dense_to_convolution
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, dumps

DEPTH, CHANNELS = 24, 40


def value(name, shape):
    return Tensor(name, shape, "INT8", Quantization(0.05, -3))


def numbers(name, *entries):
    return Tensor.constant(name, np.array(entries, np.int32))


def dense(given, made, bias=True, per_channel=True, activation="NONE", seed=0):
    r = np.random.default_rng(seed)
    scales = r.uniform(0.001, 0.004, CHANNELS) if per_channel else [0.003]
    shape = (made.shape[-1], DEPTH)
    weights = Tensor.constant("w", r.integers(-127, 128, shape, np.int8), Quantization(scales[: shape[0]]))
    inputs = [given, weights]
    if bias:
        unit = Quantization(weights.quantization.scales * np.float32(given.quantization.scale))
        inputs.append(Tensor.constant("b", r.integers(-3000, 3000, shape[0], np.int32), unit))
    return Operator("FULLY_CONNECTED", inputs, [made], {"fused_activation_function": activation}, version=5)


def codes(model):
    return [operator.code for operator in model.main.operators]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
def test_a_convolution_computes_what_micro_computes_for_the_dense_layer(bias, per_channel, activation, both):
    given, made = value("x", (300, DEPTH)), value("y", (300, CHANNELS))
    model = build(dense(given, made, bias, per_channel, activation))
    x = np.random.default_rng(1).integers(-128, 128, given.shape, np.int8)
    litert, micro = both(model, x)
    # The defect: a few of 12,000 entries, by one step.
    difference = np.abs(litert[made].astype(int) - micro[made])
    assert difference.max() == 1
    assert difference.mean() < 0.01

    assert dense_to_convolution(model) == 1
    assert codes(model) == ["RESHAPE", "CONV_2D", "RESHAPE"]
    litert_after, micro_after = both(model, x)
    np.testing.assert_array_equal(litert_after[made], micro[made])
    np.testing.assert_array_equal(micro_after[made], micro[made])


class TestReshapes:
    def test_four_dimensions_are_taken_as_they_are(self):
        model = build(dense(value("x", (1, 5, 7, DEPTH)), value("y", (1, 5, 7, CHANNELS))))
        dense_to_convolution(model)
        assert codes(model) == ["CONV_2D"]

    def test_flattening_one_pixel_before_it_is_not_needed(self):
        image, flat, made = value("x", (1, 1, 1, DEPTH)), value("flat", (1, DEPTH)), value("y", (1, CHANNELS))
        model = build(Operator("RESHAPE", [image, numbers("shape", 1, DEPTH)], [flat]), dense(flat, made))
        dense_to_convolution(model)
        assert codes(model) == ["CONV_2D", "RESHAPE"]
        assert {t.name for t in model.main.tensors} == {"x", "w", "b", "y", "y/shape"}

    def test_flattening_an_image_stays_one_operator(self):
        image, flat, made = value("x", (1, 2, 3, 4)), value("flat", (1, DEPTH)), value("y", (1, CHANNELS))
        model = build(Operator("RESHAPE", [image, numbers("shape", 1, DEPTH)], [flat]), dense(flat, made))
        dense_to_convolution(model)
        assert codes(model) == ["RESHAPE", "CONV_2D", "RESHAPE"]
        assert model.main.operators[0].outputs[0].shape == (1, 1, 1, DEPTH)

    def test_a_flattened_tensor_that_is_also_an_output_stays(self):
        image, flat, made = value("x", (1, 1, 1, DEPTH)), value("flat", (1, DEPTH)), value("y", (1, CHANNELS))
        model = build(
            Operator("RESHAPE", [image, numbers("shape", 1, DEPTH)], [flat]), dense(flat, made), outputs=[flat, made]
        )
        dense_to_convolution(model)
        assert codes(model) == ["RESHAPE", "CONV_2D", "RESHAPE"]
        assert model.main.outputs == [flat, made]

    def test_between_two_dense_layers_there_is_none(self, both):
        given, between, made = value("x", (1, DEPTH)), value("h", (1, DEPTH)), value("y", (1, CHANNELS))
        model = build(dense(given, between), dense(between, made, seed=1))
        dense_to_convolution(model)
        assert codes(model) == ["RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE"]
        for x in np.random.default_rng(0).integers(-128, 128, (20, 1, DEPTH), np.int8):
            litert, micro = both(model, x)
            np.testing.assert_array_equal(litert[made], micro[made])

    def test_behind_it_one_is_enough(self):
        given, flat, made = value("x", (1, DEPTH)), value("flat", (1, CHANNELS)), value("y", (1, 5, 8))
        model = build(dense(given, flat), Operator("RESHAPE", [flat, numbers("shape", 1, 5, 8)], [made]))
        dense_to_convolution(model)
        assert codes(model) == ["RESHAPE", "CONV_2D", "RESHAPE"]


def test_litert_rounds_once_and_micro_twice(both):
    given, made = value("x", (300, DEPTH)), value("y", (300, CHANNELS))
    layer = dense(given, made)
    x = np.random.default_rng(2).integers(-128, 128, given.shape, np.int8)
    litert, micro = both(build(layer), x)
    _, weights, bias = layer.inputs
    sums = (x.astype(np.int64) + 3) @ weights.data.T.astype(np.int64) + bias.data
    factors = np.float64(given.quantization.scale) * weights.quantization.scales / made.quantization.scale
    real = sums * factors
    once = np.trunc(real + np.copysign(0.5, real))
    np.testing.assert_array_equal(litert[made], np.clip(once - 3, -128, 127))

    fraction, exponent = np.frexp(factors)
    assert exponent.max() < 0
    high = (sums * np.rint(fraction * 2**31).astype(np.int64) + (1 << 30)) >> 31
    half = np.int64(1) << (-exponent - 1)
    twice = (high + half - (high < 0)) >> -exponent
    np.testing.assert_array_equal(micro[made], np.clip(twice - 3, -128, 127))


def test_others_stay():
    x, y = value("x", (1, DEPTH)), value("y", (1, CHANNELS))
    with_zero_point = dense(x, y, per_channel=False)
    with_zero_point.inputs[1].quantization.zero_points[:] = 3
    computed = dense(x, y)
    computed.inputs[1] = Tensor("w", (CHANNELS, DEPTH), "INT8", Quantization(0.01))
    given, made = Tensor("x", (1, DEPTH), "FLOAT32"), Tensor("y", (1, CHANNELS), "FLOAT32")
    real = Operator("FULLY_CONNECTED", [given, Tensor.constant("w", np.ones((CHANNELS, DEPTH), np.float32))], [made])
    for operator in (with_zero_point, computed, real):
        model = build(operator)
        before = dumps(model)
        assert dense_to_convolution(model) == 0
        assert dumps(model) == before
