"""Every variant goes through TFMOT to a flatbuffer that holds integers alone."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.compression import quantize_aware
from seesaw_keras.models.configs import get_config, list_models

SMALL = {"input_shape": (32, 32, 3), "width": 0.25, "embedding_size": 16}
INTEGERS = {np.int8, np.int32}


def quantized_and_converted(model):
    """Returns the quantization-aware twin, its ranges set by 16 images, and its int8 flatbuffer."""
    r = np.random.default_rng(0)
    for layer in model.layers:  # a gamma of zero would leave a range of zero, which no scale can hold
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(r.uniform(0.8, 1.2, layer.gamma.shape))
    aware = quantize_aware(model)
    aware(r.uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32), training=True)
    forward = tf.function(lambda image: aware(image, training=False), input_signature=[tf.TensorSpec((1, 32, 32, 3))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([forward.get_concrete_function()], aware)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return aware, converter.convert()


def assert_integers_alone(flatbuffer):
    """Returns how often each operator occurs."""
    interpreter = Interpreter(model_content=flatbuffer)
    others = [d["name"] for d in interpreter.get_tensor_details() if d["dtype"] not in INTEGERS]
    assert not others
    return Counter(operator["op_name"] for operator in interpreter._get_ops_details())


@pytest.mark.parametrize("variant", list_models())
def test_every_variant_becomes_an_int8_flatbuffer(variant):
    model = seesaw_keras.build(variant, normalize=variant == "mobilefacenet", **SMALL)
    _, flatbuffer = quantized_and_converted(model)
    operators = assert_integers_alone(flatbuffer)
    config = get_config(variant)
    blocks = sum(1 + stage.blocks for stage in config.stages)
    assert operators["DEPTHWISE_CONV_2D"] == blocks + 2
    assert operators["TRANSPOSE"] == blocks * config.shuffle
    assert operators["MEAN"] == blocks * config.squeeze_excite
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(operators)  # one of them inside would be a float island


def test_the_other_activations_become_int8_too():
    model = seesaw_keras.build("share", activation="prelu", se_activation="hard_swish", normalize=False, **SMALL)
    operators = assert_integers_alone(quantized_and_converted(model)[1])
    assert operators["PRELU"] == 3 + 2 * 15  # stem, its depthwise, head; expansion and depthwise of each block
    assert operators["HARD_SWISH"] == 15
    model = seesaw_keras.build("mobilefacenet", activation="relu6", normalize=False, **SMALL)
    operators = assert_integers_alone(quantized_and_converted(model)[1])
    assert set(operators) == {"PAD", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "RESHAPE"}  # ReLU6 is fused


def test_quantize_aware_keeps_the_weights_and_leaves_the_model_alone():
    model = seesaw_keras.build("mobilefacenet", **SMALL)
    before = [weight.numpy() for weight in model.weights]
    copies = {weight.name: weight.numpy() for weight in quantize_aware(model).weights}
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
        np.testing.assert_array_equal(copies[weight.name], old)
    assert len(copies) > len(before)  # the ranges
