"""What int8 pixels mean, to the integer; normalization; names; metadata."""

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import (
    METADATA,
    name_tensors,
    pixel_table,
    read_facts,
    set_normalization,
    set_pixel_input,
    store_facts,
    to_float,
)
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor

STEP = 0.02  # of the output; half a step of the input, 27 times, is five of these
LOW, HIGH = 134, 150  # pixels that keep the outputs inside of int8's range


def convolution(code="CONV_2D", padded=False, bias=True, scales=3):
    """One 3x3 convolution with positive weights, quantized for a separate input."""
    r = np.random.default_rng(0)
    side = 7 if padded else 5
    shape, axis = ((3, 3, 3, 3), 0) if code == "CONV_2D" else ((1, 3, 3, 3), 3)
    image = Tensor("image", (1, 5, 5, 3), "INT8", Quantization(0.0069, 11))
    weight_scales = np.linspace(0.008, 0.009, scales, dtype=np.float32)
    if code != "CONV_2D":
        weight_scales = weight_scales * 3  # a third of the weights
    weights = Tensor.constant("w", r.integers(60, 127, shape, np.int8), Quantization(weight_scales, axis=axis))
    inputs = [image, weights]
    if bias:
        unit = Quantization(weight_scales * np.float32(0.0069))
        inputs.append(Tensor.constant("b", r.integers(-3000, 3000, 3, np.int32), unit))
    made = Tensor("made", (1, side - 2, side - 2, 3), "INT8", Quantization(STEP, -128))
    options = {"padding": "VALID"} | ({"depth_multiplier": 1} if code != "CONV_2D" else {})
    operators = [Operator(code, inputs, [made], options, version=3)]
    if padded:
        larger = Tensor("larger", (1, 7, 7, 3), "INT8", image.quantization)
        paddings = Tensor.constant("paddings", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
        operators.insert(0, Operator("PAD", [image, paddings], [larger]))
        operators[1].inputs[0] = larger
    return flatbuffer.build(*operators)


def real(operator, x):
    """The convolution of real images (n, height, width, 3) that an operator's integers stand for, within int8."""
    weights, *bias = operator.inputs[1:]
    if operator.code == "DEPTHWISE_CONV_2D":
        w = np.eye(3) * weights.data[0][..., None]
    else:
        w = weights.data.transpose(1, 2, 3, 0)
    w = w * weights.quantization.scales
    height, width = x.shape[1] - 2, x.shape[2] - 2
    y = sum(x[:, i : i + height, j : j + width] @ w[i, j] for i in range(3) for j in range(3))
    if bias:
        y = y + bias[0].data * bias[0].quantization.scales
    return np.clip(y, 0, 255 * STEP)


def pixels():
    return np.random.default_rng(1).integers(LOW, HIGH, (20, 5, 5, 3), np.uint8)


@pytest.mark.parametrize("code", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scales", [1, 3])
@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_pixels_mean_what_the_float_network_takes(code, bias, scales, input_type, embed):
    model = convolution(code, bias=bias, scales=scales)
    operator = model.main.operators[0]
    expected = real(operator, (pixels() - 127.5) / 127.5)
    too_dark = real(operator, (pixels() - 128.0) / 127.5)
    assert np.median(expected - too_dark) > 2 * STEP  # what the test is about can be seen in it
    set_pixel_input(model, input_type)
    got = embed(flatbuffer.dumps(model), pixels())
    assert np.abs(got - expected).max() < 0.52 * STEP  # rounding, and half a unit of the bias


def test_beyond_the_border_lies_half_a_step(embed):
    model = convolution(padded=True)
    frame = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = np.pad((pixels() - 127.5) / 127.5, frame, constant_values=0.5 / 127.5)
    expected = real(model.main.operators[1], x)
    set_pixel_input(model)
    assert np.abs(embed(flatbuffer.dumps(model), pixels()) - expected).max() < 0.52 * STEP


def test_every_pixel_has_an_integer_of_its_own(converted):
    """The file's scale and zero point, and half a step: q = pixel - 128 is exact for all 256 values."""
    given = flatbuffer.loads(converted("mobilefacenet")).main.inputs[0]
    q = np.arange(256) - 128
    real_values = (q - given.quantization.zero_point + 0.5) * given.quantization.scale
    np.testing.assert_allclose(real_values, (np.arange(256) - 127.5) / 127.5, rtol=1e-7)


@pytest.mark.slow
def test_uint8_is_one_quantize_and_the_same_integers(converted, embed, faces):
    unsigned, signed = converted("mobilefacenet", input_type="uint8"), converted("mobilefacenet")
    codes = [operator.code for operator in flatbuffer.loads(unsigned).main.operators]
    assert codes == ["QUANTIZE", *(operator.code for operator in flatbuffer.loads(signed).main.operators)]
    np.testing.assert_array_equal(embed(unsigned, faces), embed(signed, faces))
    assert read_facts(flatbuffer.loads(unsigned))["preprocessing"] == "pixel"


def test_float_pixels_are_the_same_in_numpy_and_in_tensorflow():
    pixels = np.arange(256, dtype=np.uint8)
    floats = to_float(pixels)
    assert floats.dtype == np.float32 and (floats[0], floats[-1]) == (-1, 1)
    np.testing.assert_array_equal(floats, (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(127.5))
    np.testing.assert_array_equal(floats, to_float(tf.constant(pixels)).numpy())
    graph = tf.function(to_float)(tf.constant(pixels)).numpy()  # its optimizer multiplies by 1 / 127.5
    np.testing.assert_allclose(graph, floats, rtol=3e-7)


def test_an_input_that_goes_elsewhere_is_refused():
    quantization = Quantization(0.5, 0)
    image = Tensor("image", (1, 4, 4, 3), "INT8", quantization)
    made = Tensor("made", (1, 4, 4, 3), "INT8", quantization)
    with pytest.raises(ValueError, match="the input feeds LOGISTIC"):
        set_pixel_input(flatbuffer.build(Operator("LOGISTIC", [image], [made])))
    image.type, image.quantization = "FLOAT32", None
    with pytest.raises(ValueError, match="'image' is FLOAT32, expected quantized INT8"):
        set_pixel_input(flatbuffer.build(Operator("LOGISTIC", [image], [made])))


def test_normalization_comes_and_goes():
    model = convolution()
    (made,) = model.main.outputs
    set_normalization(model, True)
    assert model.main.operators[-1].code == "L2_NORMALIZATION"
    assert model.main.outputs[0].quantization.scale == 1 / 128
    set_normalization(model, True)
    set_normalization(model, False)
    assert [operator.code for operator in model.main.operators] == ["CONV_2D"]
    assert model.main.outputs == [made]


class TestNames:
    def test_are_the_same_for_every_type(self, network, converted):
        computed = []
        for type in ("int8", "float32", "dynamic"):
            graph = flatbuffer.loads(converted("mobilefacenet", type=type)).main
            names = [tensor.name for tensor in graph.tensors]
            assert len(set(names)) == len(names)
            computed.append([tensor.name for operator in graph.operators for tensor in operator.outputs])
        assert computed[0] == computed[1] == computed[2]
        assert computed[0][:4] == ["stem_pad", "stem", "stem_act/logistic", "stem_act"]
        layers = {layer.name.removesuffix("_conv").removesuffix("_bn") for layer in network("mobilefacenet").layers}
        assert {name.split("/")[0] for name in computed[0]} == layers - {"image", "unit_embedding"}

    def test_are_those_of_the_layers_that_put_it_out(self, network, converted, faces):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        from seesaw_keras.api import keras

        model, x = network("mobilefacenet"), to_float(faces[:1])
        interpreter = Interpreter(
            model_content=converted("mobilefacenet", type="float32"),
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        numbers = {details["name"]: details["index"] for details in interpreter.get_tensor_details()}
        # Not the embedding's normalization: the output has its name.
        layers = [
            layer
            for layer in model.layers[1:-1]
            if layer.name.removesuffix("_bn") in numbers and layer.name != "embedding_bn"
        ]
        assert len(layers) > 40
        outputs = keras.Model(model.input, [layer.output for layer in layers])(x)
        for layer, expected in zip(layers, outputs, strict=True):
            got = interpreter.get_tensor(numbers[layer.name.removesuffix("_bn")])
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3, err_msg=layer.name)

    def test_of_unknown_origin_are_those_of_operators(self):
        model = convolution(padded=True)
        model.main.tensors.append(Tensor("left over", (1,), "INT8"))
        name_tensors(model)
        names = [tensor.name for tensor in model.main.tensors]
        assert names == ["image", "embedding", "pad", "pad/paddings", "embedding/weights", "embedding/bias"]


class TestFacts:
    def test_survive_the_file(self):
        model = convolution()
        store_facts(model, variant="share", threshold=0.25)
        facts = read_facts(flatbuffer.loads(flatbuffer.dumps(model)))
        assert (facts["variant"], facts["threshold"], facts["preprocessing"]) == ("share", 0.25, "pixel - 128")

    def test_of_another_origin_are_none_or_refused(self):
        model = convolution()
        assert read_facts(model) == {}
        for wrong in (b"[1]", b"{", b"\xff", b"[" * 100_000):
            model.metadata[METADATA] = wrong
            with pytest.raises(ValueError, match="metadata 'seesaw_keras': not"):
                read_facts(model)


class TestPixelTable:
    def test_is_exact_for_every_pixel(self, converted):
        pixels = np.arange(256)
        for arguments, dtype, expected in (
            ({}, np.int8, pixels - 128),
            ({"input_type": "uint8"}, np.uint8, pixels),
            ({"type": "float32"}, np.float32, ((pixels - 127.5) / 127.5).astype(np.float32)),
        ):
            table = pixel_table(flatbuffer.loads(converted("mobilefacenet", **arguments)))
            assert table.dtype == dtype
            np.testing.assert_array_equal(table, expected)

    def test_of_another_origin_there_is_none(self):
        model = convolution()
        assert pixel_table(model) is None
        model.metadata[METADATA] = b'{"preprocessing": "pixel"}'  # not what an int8 input takes here
        assert pixel_table(model) is None
