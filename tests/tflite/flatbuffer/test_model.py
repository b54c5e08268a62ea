import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import FlatbufferError, Operator, Quantization, Tensor, build


def test_build_finds_inputs_and_outputs():
    a, b, c = (Tensor(name, (2,), "FLOAT32") for name in "abc")
    one = Tensor.constant("one", np.ones(2, np.float32))
    model = build(Operator("ADD", [a, one], [b]), Operator("LOGISTIC", [b], [c]))
    assert model.main.inputs == [a]
    assert model.main.outputs == [c]
    assert model.main.tensors == [a, one, b, c]


def test_build_takes_the_given_inputs_and_outputs():
    a, b, c = (Tensor(name, (2,), "FLOAT32") for name in "abc")
    model = build(Operator("ABS", [a], [b]), Operator("NEG", [b], [c]), inputs=[a], outputs=[c, b])
    assert model.main.outputs == [c, b]


def test_build_leaves_out_what_is_optional():
    x, y = Tensor("x", (1, 4), "FLOAT32"), Tensor("y", (1, 2), "FLOAT32")
    w = Tensor.constant("w", np.zeros((2, 4), np.float32))
    model = build(Operator("FULLY_CONNECTED", [x, w, None], [y]))
    assert model.main.tensors == [x, w, y]
    assert model.main.inputs == [x]


def test_producers_and_consumers(network):
    graph = network.main
    stem, first = (next(t for t in graph.tensors if t.name == name) for name in ("stem", "first"))
    assert graph.producers()[stem].code == "CONV_2D"
    assert graph.inputs[0] not in graph.producers()
    assert [operator.code for operator in graph.consumers()[first]] == ["ADD", "PAD"]
    assert graph.consumers()[graph.outputs[0]] == []


def test_an_operator_that_takes_a_tensor_twice_is_one_consumer():
    x, y = Tensor("x", (2,), "FLOAT32"), Tensor("y", (2,), "FLOAT32")
    square = Operator("MUL", [x, x], [y])
    assert build(square).main.consumers()[x] == [square]


def test_options_are_completed():
    options = Operator("CONV_2D", [], [], {"padding": "VALID"}).options
    assert (options["padding"], options["stride_h"], options["dilation_w_factor"]) == ("VALID", 1, 1)
    assert Operator("STRIDED_SLICE", [], [], {"shrink_axis_mask": 2}).options["begin_mask"] == 0


def test_unknown_names_are_refused():
    with pytest.raises(FlatbufferError, match="MUL has no option 'stride_h'"):
        Operator("MUL", [], [], {"stride_h": 2})
    with pytest.raises(FlatbufferError, match="unknown operator 'CONV2D'"):
        Operator("CONV2D", [], [])
    with pytest.raises(FlatbufferError, match="'x': unknown type 'int8'"):
        Tensor("x", (1,), "int8")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "float16", "float32", "bool"])
def test_constant_has_the_type_of_its_array(dtype):
    tensor = Tensor.constant("c", np.zeros((2, 3), dtype))
    assert (tensor.type, tensor.dtype, tensor.shape) == (dtype.upper(), np.dtype(dtype), (2, 3))
    assert tensor.nbytes == tensor.data.nbytes


def test_types_of_one_side_only():
    with pytest.raises(FlatbufferError, match=r"no type for NumPy's datetime64\[D\]"):
        Tensor.constant("c", np.array("2026-11-24", "M8[D]"))
    packed = Tensor("p", (3, 5), "INT4")
    assert packed.is_packed
    assert packed.nbytes == 8
    with pytest.raises(FlatbufferError, match="'p': NumPy has no type INT4"):
        packed.dtype  # noqa: B018


def test_quantization_of_one_and_of_many():
    one = Quantization(0.5, -3)
    assert (one.scale, one.zero_point, one.axis) == (0.5, -3, 0)
    many = Quantization([0.5, 0.25], 0, axis=3)
    assert many.scales.dtype == np.float32
    assert many.zero_points.tolist() == [0, 0]
    with pytest.raises(ValueError):
        many.scale  # noqa: B018


def test_integers_stand_for_real_values():
    """By the definition, scale * (integer - zero point), each channel with its own."""
    values = np.array([[-128, 0, 127], [3, 2, 1]], np.int8)
    one = Tensor("t", (2, 3), "INT8", Quantization(0.5, -3))
    np.testing.assert_array_equal(one.real(values), [[-62.5, 1.5, 65], [3, 2.5, 2]])
    many = Tensor("t", (2, 3), "INT8", Quantization([1, 2, 4], [0, 1, 0], axis=1))
    np.testing.assert_array_equal(many.real(values), [[-128, -2, 508], [3, 2, 4]])
    rows = Tensor("t", (2, 3), "INT8", Quantization([1, 2], 0, axis=0))
    np.testing.assert_array_equal(rows.real(values), [[-128, 0, 127], [6, 4, 2]])
    assert one.real(values).dtype == np.float32


def test_what_has_no_scale_stands_for_itself():
    values = np.array([0.25, -1], np.float32)
    np.testing.assert_array_equal(Tensor("t", (2,), "FLOAT32").real(values), values)
