"""Every variant goes through quantization-aware training to a flatbuffer that holds integers alone."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.compression import fake_quantized_matches, quantize_aware
from seesaw_keras.compression.quantizers import RangeQuantizer
from seesaw_keras.models.configs import get_config, list_models

RELU = ("share", {"activation": "relu"})
OTHERS = [  # activations that no variant has
    ("share", {"activation": "prelu", "se_activation": "hard_swish"}),
    ("mobilefacenet", {"activation": "relu6"}),
]
NETWORKS = [(variant, {}) for variant in list_models()] + [RELU, *OTHERS]


def convolutions(graph):
    """The operators of a flatbuffer that have weights, by the name that their Keras layer has without `_conv`."""
    return {
        operator.inputs[1].name.removesuffix("/weights").removesuffix("/conv_2d"): operator
        for operator in graph.operators
        if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D")
    }


def kernels(aware):
    """The float kernel of each convolution as a flatbuffer has it, (channels, height, width, ...), and its gamma."""
    wrappers = {layer.name.removeprefix("quant_"): layer for layer in aware.layers}
    found = {}
    for name, wrapper in wrappers.items():
        if name.endswith("_conv"):
            norm = wrappers.get(name.removesuffix("_conv") + "_bn")
            variable = next(weight for weight in wrapper.weights if "kernel:" in weight.name)
            axes = (2, 0, 1, 3) if "depthwise" in variable.name else (3, 0, 1, 2)
            gamma = np.ones(1) if norm is None else norm.layer.gamma.numpy()
            found[name.removesuffix("_conv")] = variable.numpy().transpose(axes), gamma
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "options"), NETWORKS)
def test_networks_become_integers_that_compute_the_same(variant, options, compressed, faces):
    made = compressed(variant, **options)
    graph = made.flatbuffer.main
    operators = Counter(operator.code for operator in graph.operators)
    assert {tensor.type for tensor in graph.tensors} == {"INT8", "INT32"}
    assert not {"QUANTIZE", "DEQUANTIZE", "FULLY_CONNECTED"} & set(operators)
    config = get_config(variant)
    blocks = sum(1 + stage.blocks for stage in config.stages)
    assert operators["DEPTHWISE_CONV_2D"] == blocks + 2
    assert operators["TRANSPOSE"] == blocks * config.shuffle
    assert operators["MEAN"] == sum(1 + config.stages[number - 1].blocks for number in config.squeeze_excite)
    worst, *_ = fake_quantized_matches(made.aware, made.flatbuffer, faces)
    assert worst.good, worst


@pytest.mark.parametrize("variant", ["phone", "share"])
def test_weights_are_the_rounded_kernels_with_a_scale_a_channel_and_all_zeros(variant, compressed):
    made = compressed(variant)
    operators = convolutions(made.flatbuffer.main)
    for name, (kernel, gamma) in kernels(made.aware).items():
        alias = name if name in operators else name.removesuffix("_reduce")  # which a ReLU has been fused into
        integers = operators[alias].inputs[1].data.astype(int)
        if integers.shape[0] == 1 and operators[alias].code == "DEPTHWISE_CONV_2D":
            integers = integers.transpose(3, 1, 2, 0)
        scale = np.maximum(np.abs(kernel).max((1, 2, 3), keepdims=True), 1e-9) / 127  # some channels are all zeros
        expected = np.rint(kernel / scale) * np.sign(gamma).reshape(-1, 1, 1, 1)
        assert np.abs(integers - expected).max() <= 1 and np.mean(integers == expected) > 0.99
        assert not integers[kernel == 0].any()
        if kernel.shape[1:3] == (1, 1):
            assert np.mean(kernel == 0) >= 0.55


@pytest.mark.parametrize(("variant", "options"), [("phone", {}), RELU])
def test_the_branches_of_an_uneven_pair_share_scale_and_zero_point(variant, options, compressed):
    graph = compressed(variant, **options).flatbuffer.main
    pairs = [operator for operator in graph.operators if operator.code == "CONCATENATION"]
    assert len(pairs) == 2 * sum(1 + stage.blocks for stage in get_config(variant).stages)
    producers = graph.producers()
    for pair in pairs:
        assert {producers[tensor].code for tensor in pair.inputs} == {"CONV_2D"}
        tensors = (*pair.inputs, *pair.outputs)
        assert len({(tensor.quantization.scale, tensor.quantization.zero_point) for tensor in tensors}) == 1


@pytest.mark.slow
def test_weights_and_statistics_are_those_of_the_network_which_stays_as_it_is(network, floats):
    model = network("mobilefacenet")
    before = [weight.numpy() for weight in model.weights]
    aware = quantize_aware(model, floats)
    copies = {weight.name: weight.numpy() for weight in aware.weights}
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
        np.testing.assert_array_equal(copies[weight.name], old)
    assert len(aware.trainable_weights) == len(model.trainable_weights)


def small(*, kernel_size=1):
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, kernel_size, use_bias=False, name="one_conv")(image)
    return keras.Model(image, keras.layers.BatchNormalization(name="one_bn")(x), name="small")


def test_ranges_are_measured_then_moved_by_training():
    r = np.random.default_rng(0)
    model = small()
    first, second = r.uniform(-1, 1, (2, 8, 4, 4, 3)).astype(np.float32)
    aware = quantize_aware(model, first)
    low, high = (weight for weight in aware.weights if "output_m" in weight.name and "share" not in weight.name)
    kernel = model.get_layer("one_conv").kernel.numpy()[0, 0]

    def limits(images, mean, variance):
        scale = np.abs(kernel).max(0) / 127
        x = (images @ (np.rint(kernel / scale) * scale) - mean) / np.sqrt(variance + 1e-3)
        return x.min(), x.max()

    x = limits(first, 0, 1)
    np.testing.assert_allclose([low, high], x, rtol=1e-5)
    aware(second, training=True)
    y = (second @ kernel).reshape(-1, 4)
    moved = limits(second, y.mean(0), y.var(0))
    np.testing.assert_allclose([low, high], 0.999 * np.array(x) + 0.001 * np.array(moved), rtol=1e-3)
    aware(second, training=False)
    np.testing.assert_allclose([low, high], 0.999 * np.array(x) + 0.001 * np.array(moved), rtol=1e-3)


def test_a_range_holds_zero_and_is_never_empty():
    quantizer = RangeQuantizer()
    quantizer.measuring = True
    weights = {"min_var": tf.Variable(-6.0), "max_var": tf.Variable(6.0), "share": tf.Variable(1.0)}
    for values, expected in (([3.0, 5.0], (0, 5)), ([-3.0, -5.0], (-5, 1e-4)), ([0.0, 0.0], (0, 1e-4))):
        quantizer(tf.constant(values), True, weights)
        np.testing.assert_allclose([weights["min_var"], weights["max_var"]], expected)


def test_a_range_keeps_to_its_share_of_the_span():
    quantizer = RangeQuantizer()
    quantizer.measuring = True
    weights = {"min_var": tf.Variable(-6.0), "max_var": tf.Variable(6.0), "share": tf.Variable(1.0)}
    values = np.random.default_rng(0).normal(0, 1, (8, 8, 8, 32)).astype(np.float32)
    values[..., 0] *= 12
    reach = np.abs(values).max()
    quantizer(tf.constant(values), True, weights)
    share = weights["share"].numpy()
    assert share < 0.7
    limits = share * reach * np.array([-1, 1])
    np.testing.assert_allclose([weights["min_var"], weights["max_var"]], limits, rtol=1e-6)
    quantizer.measuring = False
    quantizer(tf.constant(values * 2), True, weights)
    np.testing.assert_allclose([weights["min_var"], weights["max_var"]], 1.001 * limits, rtol=1e-5)


def test_zeros_stay_zeros_in_training_and_all_else_learns(compressed, floats):
    model = small(kernel_size=3)
    kernel = model.get_layer("one_conv").kernel
    kernel.assign(kernel * (np.abs(kernel) > 0.15))
    zeros = kernel.numpy() == 0
    assert zeros.any()
    image = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 3)).astype(np.float32)
    aware = quantize_aware(model, image)
    optimizer = keras.optimizers.SGD(0.1)
    before = [weight.numpy() for weight in aware.trainable_weights]
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(aware(image, training=True) ** 3)
        gradients = tape.gradient(loss, aware.trainable_weights)
        optimizer.apply_gradients(zip(gradients, aware.trainable_weights, strict=True))
    learned = next(weight for weight in aware.trainable_weights if "kernel" in weight.name).numpy()
    np.testing.assert_array_equal(learned[zeros], 0)
    assert all(np.any(old != new) for old, new in zip(before, aware.trainable_weights, strict=True))


class TestRefuses:
    def test_unknown_layers(self, floats):
        image = keras.Input((32, 32, 3))
        model = keras.Model(image, keras.layers.UpSampling2D(name="up")(image))
        with pytest.raises(ValueError, match="'up' has the unsupported type UpSampling2D"):
            quantize_aware(model, floats)
        model = keras.Model(image, keras.layers.Activation("softsign", name="soft")(image))
        with pytest.raises(ValueError, match="'soft' has the unsupported type Activation"):
            quantize_aware(model, floats)

    def test_what_is_compressed_already(self, compressed, floats):
        with pytest.raises(ValueError, match="seesaw_phone: already quantization-aware; compress the original network"):
            quantize_aware(compressed("phone").aware, floats)

    def test_what_is_no_float32_network_of_layers(self, floats, keras_policy):
        with pytest.raises(ValueError, match="only a functional Keras model"):
            quantize_aware(tf.Module(), floats)
        keras_policy("mixed_bfloat16")
        with pytest.raises(ValueError, match="one_conv computes in bfloat16"):
            quantize_aware(small(), floats)
