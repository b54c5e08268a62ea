"""Ranges against what Keras' layers put out."""

import numpy as np

from seesaw_keras.api import keras
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.calibration import measure_ranges
from seesaw_keras.tflite.convert import convert
from seesaw_keras.tflite.interface import to_float


def test_ranges_are_those_of_keras_layers(network, faces):
    model = network("mobilefacenet")
    data = convert(model, type="float32")
    tensors = flatbuffer.loads(data).main.tensors
    ranges = {tensors[number].name: limits for number, limits in measure_ranges(data, faces).items()}
    x = to_float(faces)
    assert ranges["image"] == (x.min(), x.max())
    layers = [layer for layer in model.layers[1:-1] if layer.name in ranges and not layer.name.endswith("pad")]
    assert len(layers) > 40
    for layer, values in zip(layers, keras.Model(model.input, [layer.output for layer in layers])(x), strict=True):
        limits = (values.numpy().min(), values.numpy().max())
        np.testing.assert_allclose(ranges[layer.name], limits, rtol=1e-3, atol=1e-3, err_msg=layer.name)
    assert len(ranges) == sum(tensor.data is None for tensor in tensors)


def test_what_an_add_would_overwrite_keeps_its_own_scale(converted):
    """Swish is -0.2785 at least; its scale leaves no room for the sum that TensorFlow's calibrator finds there."""
    tensors = {tensor.name: tensor for tensor in flatbuffer.loads(converted("dw_v2")).main.tensors}
    swish = tensors["stage1_down_mapping_act"].quantization
    assert (-128 - swish.zero_point) * swish.scale > -0.2785 - swish.scale
