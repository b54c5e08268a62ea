"""Signal to quantization noise, against figures that follow from how the noise was made."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.quantization_error import (
    TensorError,
    error_table,
    quantization_errors,
    worst,
)
from seesaw_keras.tflite.conversion.interface import store_facts
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, dumps


def identity(type, scales=(1 / 127.5, 1 / 127.5), bias=0.0):
    """A 1x1 convolution of one channel that puts the pixel out, and then its sum with itself."""
    integers = type == "INT8"
    unit = (lambda *values: Quantization(*values)) if integers else lambda *_: None
    image = Tensor("image", (1, 8, 8, 3), type, unit(1 / 127.5))
    same = Tensor("same", (1, 8, 8, 3), type, unit(scales[0]))
    twice = Tensor("twice", (1, 8, 8, 3), type, unit(scales[1]))
    weights, biases = np.eye(3).reshape(3, 1, 1, 3), np.full(3, bias)
    if integers:
        weights, biases = (weights * 100).astype(np.int8), np.rint(biases * 127.5 * 100 + 50).astype(np.int32)
    else:
        weights, biases = weights.astype(np.float32), biases.astype(np.float32)
    constants = [
        Tensor.constant("w", weights, unit([0.01] * 3)),
        Tensor.constant("b", biases, unit([np.float32(0.01 / 127.5)] * 3)),
    ]
    model = build(
        Operator("CONV_2D", [image, *constants], [same], {"padding": "VALID"}, 3 if integers else 1),
        Operator("ADD", [same, same], [twice], version=2 if integers else 1),
    )
    store_facts(model)
    return dumps(model)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)


def power(values):
    return np.square(values, dtype=np.float64).mean()


def test_rounding_alone(images):
    """Pixels are half a step from the integers; a coarse scale rounds them by what NumPy says."""
    pixels = (images - 127.5) / 127.5
    scale = np.float32(1 / 30)
    (same, twice) = quantization_errors(identity("FLOAT32"), identity("INT8", (scale, 2 * scale)), images)
    rounded = np.rint(pixels / scale) * scale
    own = 10 * np.log10(power(pixels) / power(rounded - pixels))
    assert (same.name, same.code, twice.name, twice.code) == ("same", "CONV_2D", "twice", "ADD")
    assert same.own == pytest.approx(own, abs=0.05)
    assert same.total == pytest.approx(own, abs=0.3)  # one half step in the input, some more ties
    # The sum adds nothing of its own, and keeps what it was given.
    assert twice.total == pytest.approx(same.total, abs=1e-3)
    assert twice.own == pytest.approx(own, abs=0.05)


def test_clipping_is_its_own(images):
    pixels = (images - 127.5) / 127.5
    scale = np.float32(0.5 / 127)
    (same, _) = quantization_errors(identity("FLOAT32"), identity("INT8", (scale, 2 * scale)), images)
    clipped = np.clip(np.rint(pixels / scale), -128, 127) * scale
    expected = 10 * np.log10(power(pixels) / power(clipped - pixels))
    assert expected < 10
    assert same.own == pytest.approx(expected, abs=0.05)


def test_what_comes_with_the_inputs_is_not_its_own(images):
    """A wrong bias: noise that no scale is to blame for."""
    pixels = (images - 127.5) / 127.5
    (same, twice) = quantization_errors(identity("FLOAT32"), identity("INT8", (1 / 60, 2 / 60), bias=0.25), images)
    expected = 10 * np.log10(power(pixels) / 0.25**2)
    for error in (same, twice):
        assert error.total == pytest.approx(expected, abs=0.3)
        assert error.own > expected + 20


def test_silence_and_exactness_are_finite(images):
    nothing = np.full_like(images, 128)  # half a step above 0
    errors = quantization_errors(identity("FLOAT32"), identity("INT8", (1e-3, 2e-3)), nothing)
    assert all(np.isfinite([error.total, error.own]).all() for error in errors)


def test_tensors_of_a_network_are_matched(converted, faces):
    data = converted("mobilefacenet")
    errors = quantization_errors(converted("mobilefacenet", type="float32"), data, faces[:4])
    graph = flatbuffer.loads(data).main
    moving = {"PAD", "RESHAPE"}
    computed = [(o.outputs[0].name, o.code) for o in graph.operators if o.code not in moving]
    assert [(error.name, error.code) for error in errors] == computed
    by_name = {error.name: error for error in errors}
    assert by_name["stem"].total > 25
    assert by_name["stem"].own > 30
    assert by_name["embedding/conv_2d"].total < by_name["stem"].total


def test_networks_of_other_origin(images):
    stranger = flatbuffer.loads(identity("FLOAT32"))
    stranger.metadata.clear()
    with pytest.raises(ValueError, match="unknown input preprocessing"):
        quantization_errors(dumps(stranger), identity("INT8"), images)
    renamed = flatbuffer.loads(identity("FLOAT32"))
    for tensor in renamed.main.tensors:
        tensor.name += "_"
    with pytest.raises(ValueError, match="no tensor name in common"):
        quantization_errors(dumps(renamed), identity("INT8"), images)


ERRORS = [TensorError(f"layer{n}", "CONV_2D", 40.0 - 3 * (n % 7), 45.0) for n in range(20)]


def test_the_worst_are_named():
    assert [error.name for error in worst(ERRORS, 3)] == ["layer6", "layer13", "layer5"]
    head, _, first, *others = error_table(ERRORS, 3).splitlines()
    assert head == "signal-to-quantization-noise ratio, worst 3 of 20 tensors:"
    assert first.split() == ["layer6", "CONV_2D", "22.0", "45.0"]
    assert len(others) == 2
