"""Models that contradict themselves: each kind of contradiction is named, with its place."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import (
    FlatbufferError,
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    build,
    dumps,
    verify,
)


def _tensor(network, name):
    return next(tensor for tensor in network.main.tensors if tensor.name == name)


def _refused(network, message):
    with pytest.raises(FlatbufferError, match=rf"^f\.tflite: {message}"):
        verify(network, "f.tflite")
    with pytest.raises(FlatbufferError):
        dumps(network)


def test_a_whole_model_passes(network):
    verify(network)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("shape", (8, -3, 3, 3), "shape: negative dimension"),
        ("shape", (8, 3, 3, 4), r"quantization|data: int8 \(8, 3, 3, 3\) does not match INT8 \(8, 3, 3, 4\)"),
        ("shape", (2,) * 65, "shape: 65 dimensions"),
        ("shape", (1 << 20, 1 << 20, 0), "shape: INT8 .* larger than 2 GB"),
        ("type", "INT32", "data: int8 .* does not match INT32"),
        ("data", np.zeros((8, 3, 3, 3), np.uint8), "data: uint8"),
        ("shape_signature", (8, 3, 3), "shape_signature"),
        ("shape_signature", (7, 3, 3, 3), "shape_signature"),
        ("quantization", Quantization([0.5] * 7), r"quantization: 7 scales along axis 0 do not match"),
        ("quantization", Quantization([0.5] * 8, axis=1), r"quantization: 8 scales along axis 1 do not match"),
        ("quantization", Quantization(0.5, axis=4), "quantization: axis 4 is out of range"),
        ("quantization", Quantization(0.5, axis=-1), "quantization: axis -1 is out of range"),
        ("quantization", Quantization(0.5, 128), "quantization: a zero point is out of range for INT8"),
        ("quantization", Quantization(0.0), "quantization: a scale is not a positive number"),
        ("quantization", Quantization(np.nan), "quantization: a scale is not a positive number"),
        ("quantization", Quantization(np.inf), "quantization: a scale is not a positive number"),
        ("quantization", Quantization([0.5] * 8, [0] * 7), "quantization: 8 scales and 7 zero points"),
        ("quantization", Quantization([]), "quantization: 0 scales and 0 zero points"),
    ],
)
def test_tensors(network, field, value, message):
    setattr(_tensor(network, "w"), field, value)
    _refused(network, rf"subgraphs\[0\]\.tensors\[1\] 'w': ({message})")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2\0\0\0\14\0\0\0\15\0\0\0abc",  # a count of 2, but places for 1
        b"\1\0\0\0\14\0\0\0\20\0\0\0abc",  # the end after the end
        b"\1\0\0\0\10\0\0\0\17\0\0\0abc",  # a begin before the first byte
        b"\1\0\0\0\14\0\0\0\15\0\0\0abc",  # an end before the end
        b"\377\377\377\377\14\0\0\0\17\0\0\0abc",
    ],
)
def test_strings(data):
    text = Tensor("text", (1,), "STRING", data=np.frombuffer(data, np.uint8))
    copy = Tensor("copy", (1,), "STRING")
    with pytest.raises(FlatbufferError, match=r"tensors\[0\] 'text': data: "):
        dumps(build(Operator("RESHAPE", [text], [copy])))


def test_order_of_operators(network):
    operators = network.main.operators
    operators[1], operators[2] = operators[2], operators[1]
    _refused(network, r"subgraphs\[0\]\.operators\[1\] ADD: inputs\[0\] 'first' is not computed before this operator")


def test_an_output_written_twice(network):
    network.main.operators[2].outputs = [_tensor(network, "first")]
    _refused(network, r"subgraphs\[0\]\.operators\[2\] ADD: outputs\[0\] 'first' already has a value")


def test_an_output_that_is_a_constant(network):
    network.main.operators[0].outputs = [_tensor(network, "w")]
    _refused(network, r"subgraphs\[0\]\.operators\[0\] CONV_2D: outputs\[0\] 'w' already has a value")


def test_an_output_that_nobody_computes(network):
    del network.main.operators[-1]
    _refused(network, r"subgraphs\[0\]\.outputs\[0\] 'real' is not computed")


def test_an_input_that_is_a_constant(network):
    network.main.inputs.append(_tensor(network, "w"))
    _refused(network, r"subgraphs\[0\]\.inputs\[1\] 'w' is a constant")


@pytest.mark.parametrize("side", ["inputs", "outputs", "intermediates"])
def test_a_tensor_that_is_not_listed(network, side):
    getattr(network.main.operators[2], side).append(Tensor("stranger", (1,), "INT8"))
    _refused(network, rf"subgraphs\[0\]\.operators\[2\] ADD: {side}\[.\] 'stranger' is not among")


def test_a_tensor_listed_twice(network):
    network.main.tensors.append(network.main.tensors[0])
    _refused(network, r"subgraphs\[0\]\.tensors: a tensor is listed twice")


def test_a_needed_input_left_out(network):
    network.main.operators[2].inputs[1] = None
    _refused(network, r"subgraphs\[0\]\.operators\[2\] ADD: inputs\[1\] is required but omitted")


def test_a_depthwise_convolution_without_bias(network):
    """In XNNPACK and in TFLite Micro, one kind in each, it is a segmentation fault."""
    operator = network.main.operators[7]
    operator.inputs[2] = None
    _refused(network, r"subgraphs\[0\]\.operators\[7\] DEPTHWISE_CONV_2D: inputs\[2\] is required but omitted")
    del operator.inputs[2]
    _refused(network, r"subgraphs\[0\]\.operators\[7\] DEPTHWISE_CONV_2D: expected 3 inputs, got 2")


@pytest.mark.parametrize("option", ["stride_h", "dilation_w_factor"])
def test_options_that_kernels_divide_by(network, option):
    network.main.operators[0].options[option] = 0
    _refused(network, rf"subgraphs\[0\]\.operators\[0\] CONV_2D: {option} must be at least 1, got 0")


def test_arithmetic_on_bytes_without_scale(network):
    _tensor(network, "total").quantization = None
    _refused(network, r"subgraphs\[0\]\.operators\[2\] ADD: 'total' is INT8 without quantization")


def test_a_sum_whose_steps_are_nothing_beside_its_addends(network):
    for name in ("total", "pairs", "swapped", "mean"):
        _tensor(network, name).quantization = Quantization(1e-30)
    _refused(
        network, r"subgraphs\[0\]\.operators\[2\] ADD: input scale 0.1\d* is too large for output scale 1.0?\d*e-30"
    )


def test_custom_operators_have_a_name():
    model = build(Operator("CUSTOM", [Tensor("x", (1,), "FLOAT32")], [Tensor("y", (1,), "FLOAT32")]))
    with pytest.raises(FlatbufferError, match=r"operators\[0\] CUSTOM: custom_code is empty"):
        verify(model)


def test_custom_operators_may_take_scratch_memory():
    x, y, scratch = (Tensor(name, (1,), "FLOAT32") for name in ("x", "y", "scratch"))
    verify(build(Operator("CUSTOM", [x, scratch], [y], custom_code="Own"), inputs=[x]))
    with pytest.raises(FlatbufferError, match=r"operators\[0\] ADD: inputs\[1\] 'scratch' is not computed"):
        verify(build(Operator("ADD", [x, scratch], [y]), inputs=[x]))


def test_one_flag_for_each_mutable_input(network):
    network.main.operators[2].mutating_variable_inputs = (True,)
    _refused(network, r"subgraphs\[0\]\.operators\[2\] ADD: mutating_variable_inputs: expected one entry per input")


def test_no_subgraph():
    with pytest.raises(FlatbufferError, match="model: subgraphs: empty"):
        verify(Model([]))


def _caller(*called):
    """A subgraph that calls others by their numbers."""
    return Subgraph([], [], [], [Operator("CALL_ONCE", [], [], {"init_subgraph_index": n}) for n in called])


def test_called_subgraphs():
    verify(Model([_caller(1, 2), _caller(2), _caller()]))
    with pytest.raises(
        FlatbufferError, match=r"subgraphs\[1\].operators\[0\] CALL_ONCE: init_subgraph_index 2 is out of range for 2"
    ):
        verify(Model([_caller(1), _caller(2)]))
    with pytest.raises(FlatbufferError, match=r"subgraphs\[[12]\] calls itself recursively"):
        verify(Model([_caller(1), _caller(2), _caller(1)]))
    with pytest.raises(FlatbufferError, match=r"subgraphs\[0\] calls itself"):
        verify(Model([_caller(0)]))


def test_signatures(network):
    signature = network.signatures[0]
    network.signatures = [signature, signature]
    _refused(network, r"signature_defs\[1\] 'serving_default': duplicate key")
    network.signatures = [Signature("s", {"x": _tensor(network, "w")}, {}, network.main)]
    _refused(network, r"signature_defs\[0\] 's': inputs: 'x' is not an input")
    network.signatures = [Signature("s", {}, {"x": _tensor(network, "stem")}, network.main)]
    _refused(network, r"signature_defs\[0\] 's': outputs: 'x' is not an output")
    network.signatures = [Signature("s", {}, {}, Subgraph([], [], [], []))]
    _refused(network, r"signature_defs\[0\] 's': its subgraph is not in the model")


def test_long_names_are_cut_in_messages(network):
    tensor = _tensor(network, "w")
    tensor.name, tensor.shape = "w" * 100_000, (1,)
    with pytest.raises(FlatbufferError) as refusal:
        verify(network)
    assert len(str(refusal.value)) < 300
