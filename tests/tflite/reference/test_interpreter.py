"""What the interpreter refuses before it runs, how it takes many images at once, and what it hands out."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
from seesaw_keras.tflite.reference import Interpreter, UnsupportedError


def value(name, shape, type="INT8", scale=0.1):
    return Tensor(name, shape, type, Quantization(scale, 3) if type in ("INT8", "UINT8") else None)


def constant(name, data, scale=0.1, zero_point=0):
    return Tensor.constant(name, data, Quantization(scale, zero_point))


@pytest.fixture
def network():
    """A swish, whose mean is added to a constant; (2, 4) int8 to (2, 1) int8."""
    x, gate, swish = value("x", (2, 4)), Tensor("gate", (2, 4), "INT8", Quantization(1 / 256, -128)), value("s", (2, 4))
    mean, y = value("mean", (2, 1)), value("y", (2, 1))
    axes, shift = Tensor.constant("axes", np.array([1], np.int32)), constant("shift", np.array([[7]], np.int8))
    return build(
        Operator("LOGISTIC", [x], [gate]),
        Operator("MUL", [x, gate], [swish]),
        Operator("MEAN", [swish, axes], [mean], {"keep_dims": True}),
        Operator("ADD", [mean, shift], [y]),
    )


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(-128, 128, (5, 2, 4)).astype(np.int8)


def _convolution(type="INT8", padding="VALID", activation="NONE", **changes):
    x = value("x", changes.pop("shape", (1, 4, 4, 2)), type)
    weights = constant("w", np.ones((3, 3, 3, 2), np.int8), **changes)
    y = value("y", (1, 2, 2, 3), type)
    options = {"padding": padding, "fused_activation_function": activation}
    bias = Tensor.constant("b", np.zeros(3, np.int32))
    return Operator("CONV_2D", [x, weights, bias], [y], options)


def _unary(code, type, made=None, options=None, scale=0.1):
    return Operator(code, [value("x", (1, 4), type)], [value("y", (1, 4), made or type, scale)], options or {})


def _computed_weights():
    operator = _convolution()
    operator.inputs[1].data = None
    return operator


REFUSED = {
    "the operator is not supported": _unary("ELU", "FLOAT32"),
    "CUSTOM|Own 'y': the operator is not supported": Operator(
        "CUSTOM", [value("x", (1,))], [value("y", (1,))], custom_code="Own"
    ),
    "CONV_2D 'y': type INT16 is not supported, only INT8, FLOAT32": _convolution("INT16"),
    "INT8 weights with FLOAT32 input are not supported": _convolution("FLOAT32"),
    "fused activation TANH is not supported": _convolution(activation="TANH"),
    "weights with a nonzero zero point are not supported": _convolution(zero_point=4),
    "weight scales along axis 1 are not supported": _convolution(scale=[0.1, 0.2, 0.3]),
    "input 1 'w' is computed; only a constant is supported": _computed_weights(),
    "a window of .* exceeds the image of": _convolution(shape=(1, 2, 2, 2)),
    "5 input channels are not a multiple of 2 channels per group": _convolution(shape=(1, 4, 4, 5)),
    r"the kernel computes int8 \(1, 4, 4, 3\), but the file declares int8 \(1, 2, 2, 3\) for 'y'": _convolution(
        padding="SAME"
    ),
    "types INT8 and UINT8 are mixed": _unary("RESHAPE", "INT8", "UINT8", {"new_shape": (1, 4)}),
    "from FLOAT32 to INT32 is not supported": _unary("QUANTIZE", "FLOAT32", "INT32"),
    "the output's scale is 0.1.*, expected 1/256": _unary("LOGISTIC", "INT8"),
    "the quantization of 'x' differs from the output's": Operator(
        "AVERAGE_POOL_2D", [value("x", (1, 2, 2, 1))], [value("y", (1, 2, 2, 1), scale=0.2)]
    ),
    "ratio of scales is too large, 2.*: kernels shift by at most 31 bits": _unary("RELU", "INT8", scale=1e-12),
    "axis 4 is out of range for 2 dimensions": Operator(
        "MEAN", [value("x", (1, 4)), Tensor.constant("axes", np.array([4], np.int32))], [value("y", (1,))]
    ),
    "new_axis_mask is not supported": Operator(
        "STRIDED_SLICE",
        [value("x", (4,)), *(Tensor.constant(name, np.array([1], np.int32)) for name in ("begin", "end", "by"))],
        [value("y", (1,))],
        {"new_axis_mask": 1},
    ),
    "could not be broadcast": Operator("ADD", [value("x", (2, 3)), value("z", (2, 4))], [value("y", (2, 4))]),
}


@pytest.mark.parametrize(("message", "operator"), REFUSED.items(), ids=REFUSED)
def test_refused_by_name(message, operator):
    for tensor in operator.inputs:
        if tensor.name == "w" and tensor.quantization.scales.size == 3:
            tensor.quantization.axis = 1
    with pytest.raises(UnsupportedError, match=message):
        Interpreter(build(operator, outputs=operator.outputs))


@pytest.mark.parametrize(
    "operator",
    [_unary("RELU_N1_TO_1", "INT8"), _unary("QUANTIZE", "UINT8", "UINT8"), _unary("TANH", "INT8")],
    ids=lambda operator: operator.code,
)
def test_refused_for_micro_only(operator):
    model = build(operator)
    Interpreter(model, "litert")
    with pytest.raises(UnsupportedError, match=operator.code):
        Interpreter(model, "tflm")


def test_nothing_runs_before_all_is_known(network, monkeypatch):
    network.main.operators[-1].options["fused_activation_function"] = "SIGN_BIT"
    ran = []
    monkeypatch.setattr(Interpreter, "_execute", lambda self, values: ran.append(self))
    with pytest.raises(UnsupportedError, match="ADD 'y': fused activation SIGN_BIT"):
        Interpreter(network)
    assert not ran


def test_unknown_flavor(network):
    with pytest.raises(ValueError, match=r"unknown flavor 'xnnpack': .* All: litert, tflm"):
        Interpreter(network, "xnnpack")


def test_variables_are_refused(network):
    network.main.tensors[0].is_variable = True
    with pytest.raises(UnsupportedError, match="'x': variables"):
        Interpreter(network)


def test_many_images_are_each_on_its_own(network, images):
    interpreter = Interpreter(network)
    (together,) = interpreter.run(images)
    assert together.shape == (5, 2, 1)
    assert len(np.unique(together)) > 3
    for image, made in zip(images, together, strict=True):
        np.testing.assert_array_equal(interpreter.run(image[None])[0][0], made)


def test_no_images(network, images):
    assert Interpreter(network).run(images[:0])[0].shape == (0, 2, 1)


def test_every_tensor(network, images):
    interpreter = Interpreter(network)
    tensors = interpreter.tensors(images)
    assert [tensor.name for tensor in tensors] == ["x", "gate", "s", "mean", "y"]
    assert all(array.shape == (5, *tensor.shape) for tensor, array in tensors.items())
    np.testing.assert_array_equal(tensors[network.main.outputs[0]], interpreter.run(images)[0])
    np.testing.assert_array_equal(tensors[network.main.inputs[0]], images)


@pytest.mark.parametrize("images", [np.zeros((5, 4), np.int8), np.zeros((5, 2, 4), np.uint8)], ids=["shape", "type"])
def test_wrong_inputs(network, images):
    with pytest.raises(ValueError, match=r"input 'x': expected int8 \(images, 2, 4\)"):
        Interpreter(network).run(images)
    with pytest.raises(ValueError, match="expected 1 inputs, got 2"):
        Interpreter(network).run(images, images)


def test_constants_are_computed_once(images):
    """As weights of a float16 network are: DEQUANTIZE of a constant."""
    half = Tensor.constant("half", np.array([[0.5], [2]], np.float16))
    weights, x, y = Tensor("weights", (2, 1), "FLOAT32"), Tensor("x", (2, 1), "FLOAT32"), Tensor("y", (2, 2), "FLOAT32")
    model = build(Operator("DEQUANTIZE", [half], [weights]), Operator("FULLY_CONNECTED", [x, weights, None], [y]))
    given = np.array([[[1], [-3]]], np.float32)
    (made,) = Interpreter(model).run(given)
    np.testing.assert_array_equal(made, [[[0.5, 2], [-1.5, -6]]])
    (weights_made,) = [array for tensor, array in Interpreter(model).tensors(given).items() if tensor is weights]
    assert weights_made.shape == (1, 2, 1)


def test_constant_outputs_are_there_for_every_image():
    x, y, z = value("x", (2, 3)), Tensor("y", (2,), "INT32"), Tensor("z", (2,), "INT32")
    one = Tensor.constant("one", np.array([1, 1], np.int32))
    model = build(Operator("SHAPE", [x], [y], {"out_type": "INT32"}), Operator("ADD", [y, one], [z]), outputs=[z])
    assert Interpreter(model).run(np.zeros((3, 2, 3), np.int8))[0].tolist() == [[3, 4]] * 3


def test_free_sides_are_found_by_litert_only():
    """A RESHAPE to (rows, -1), for which the file contains only the rank."""
    x = Tensor("x", (2, 6), "FLOAT32")
    y = Tensor("y", (1, 1), "FLOAT32", shape_signature=(-1, -1))
    model = build(Operator("RESHAPE", [x, Tensor.constant("shape", np.array([3, -1], np.int32))], [y]))
    assert Interpreter(model).run(np.zeros((1, 2, 6), np.float32))[0].shape == (1, 3, 4)
    with pytest.raises(UnsupportedError, match="RESHAPE 'y': the kernel computes"):
        Interpreter(model, "tflm")


def test_the_model_is_not_changed(network, images):
    before = flatbuffer.dumps(network)
    Interpreter(network).tensors(images)
    assert flatbuffer.dumps(network) == before
