"""Reading and writing, against LiteRT's interpreter and against the schema's generated reader."""

import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from flatbuffers import Builder

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, dumps, encoding, loads


def _graph(model):
    """All that a model says, with numbers in the place of objects, so that two models can be compared."""
    number = {tensor: i for subgraph in model.subgraphs for i, tensor in enumerate(subgraph.tensors)}

    def tensor(t):
        quantization = t.quantization and (t.quantization.scales.tolist(), t.quantization.zero_points.tolist())
        data = None if t.data is None else (str(t.data.dtype), t.data.shape, t.data.tobytes())
        axis = t.quantization and t.quantization.axis
        return t.name, t.shape, t.type, quantization, axis, data, t.shape_signature, t.is_variable

    def operator(o):
        inputs = [None if t is None else number[t] for t in o.inputs]
        outputs, own = [number[t] for t in o.outputs], [number[t] for t in o.intermediates]
        custom = o.custom_code, o.custom_options, o.mutating_variable_inputs
        return o.code, inputs, outputs, o.options, o.version, custom, own

    subgraphs = [
        (
            [tensor(t) for t in s.tensors],
            [number[t] for t in s.inputs],
            [number[t] for t in s.outputs],
            [operator(o) for o in s.operators],
            s.name,
        )
        for s in model.subgraphs
    ]
    signatures = [
        (
            s.key,
            {name: number[t] for name, t in s.inputs.items()},
            {name: number[t] for name, t in s.outputs.items()},
            model.subgraphs.index(s.subgraph),
        )
        for s in model.signatures
    ]
    return subgraphs, signatures, model.metadata, model.description


def _content(buffer):
    return b"" if buffer.data is None else bytes(buffer.data)


def _packed(model):
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_what_is_written_is_what_is_read(network):
    data = dumps(network)
    again = loads(data)
    assert _graph(again) == _graph(network)
    assert dumps(again) == data


def test_rare_fields_survive():
    x = Tensor("x", (1, 4), "INT8", Quantization(0.5, 1), shape_signature=(-1, 4))
    state = Tensor("state", (2, 2), "FLOAT32", is_variable=True)
    own = Tensor("own", (7,), "INT16")
    text = Tensor("text", (2,), "STRING", data=np.frombuffer(b"\2\0\0\0\20\0\0\0\22\0\0\0\23\0\0\0abc", np.uint8))
    packed = Tensor("packed", (3,), "INT4", data=np.array([0x21, 0x03], np.uint8))
    scalar, nothing = Tensor.constant("scalar", np.float32(2.5)), Tensor.constant("nothing", np.zeros((0, 3), np.int32))
    y, z = Tensor("y", (), "FLOAT32"), Tensor("z", (1,), "INT64")
    custom = Operator(
        "CUSTOM", [x, None, state, text, packed, scalar, nothing], [y], custom_code="Own", custom_options=b"\1\2\3"
    )
    custom.mutating_variable_inputs = (False, False, True, False, False, False, False)
    custom.intermediates = [own]
    random = Operator("RANDOM_UNIFORM", [nothing], [z], {"seed": 1 << 40, "seed2": -5}, version=2)
    handle = Operator("VAR_HANDLE", [], [Tensor("handle", (), "RESOURCE")], {"shared_name": "größe"})
    leaky = Operator("LEAKY_RELU", [y], [Tensor("leaked", (), "FLOAT32")], {"alpha": 0.25})
    model = build(custom, random, handle, leaky)
    assert _graph(loads(dumps(model))) == _graph(model)


def test_litert_computes_the_same_after_a_round_trip(network, litert_outputs):
    data = dumps(network)
    outputs = litert_outputs(data)
    assert [(o.shape, o.dtype.name) for o in outputs] == [((1, 5), "float32"), ((1, 2, 2), "int8")]
    assert np.ptp(outputs[0]) > 0
    for one, other in zip(outputs, litert_outputs(dumps(loads(data))), strict=True):
        np.testing.assert_array_equal(one, other)


def test_litert_reads_names_quantization_and_signature(network):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=dumps(network))
    details = interpreter.get_tensor_details()
    for tensor, entry in zip(network.main.tensors, details, strict=False):
        assert (entry["name"], tuple(entry["shape"]), entry["dtype"]) == (tensor.name, tensor.shape, tensor.dtype)
        if tensor.quantization:
            np.testing.assert_array_equal(entry["quantization_parameters"]["scales"], tensor.quantization.scales)
            assert entry["quantization_parameters"]["quantized_dimension"] == tensor.quantization.axis
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["embedding"]}}


def test_the_generated_reader_agrees(network):
    theirs = generated.ModelT.InitFromPackedBuf(dumps(network), 0)
    assert (theirs.version, theirs.description.decode()) == (3, network.description)
    assert {m.name.decode(): _content(theirs.buffers[m.buffer]) for m in theirs.metadata} == network.metadata
    (subgraph,) = theirs.subgraphs
    for mine, entry in zip(network.main.tensors, subgraph.tensors, strict=True):
        assert _content(theirs.buffers[entry.buffer]) == (b"" if mine.data is None else mine.data.tobytes())
        assert (tuple(entry.shape), entry.name.decode(), entry.hasRank) == (mine.shape, mine.name, True)
    convolution = subgraph.operators[7].builtinOptions
    assert isinstance(convolution, generated.DepthwiseConv2DOptionsT)
    assert (convolution.padding, convolution.strideH, convolution.depthMultiplier) == (generated.Padding.VALID, 2, 1)


def test_the_generated_writers_files_are_read(network):
    """Files of another writer: nothing shared, minima and maxima kept, fields in another order."""
    theirs = generated.ModelT.InitFromPackedBuf(dumps(network), 0)
    for tensor in theirs.subgraphs[0].tensors:
        if tensor.quantization:
            tensor.quantization.min, tensor.quantization.max = [-1.0], [1.0]
    builder = Builder(1024)
    builder.ForceDefaults(True)
    builder.Finish(theirs.Pack(builder), b"TFL3")
    data = bytes(builder.Output())
    assert _graph(loads(data)) == _graph(network)
    assert len(dumps(network)) < 0.8 * len(data)


def test_old_operator_codes_are_read(network):
    theirs = generated.ModelT.InitFromPackedBuf(dumps(network), 0)
    for code in theirs.operatorCodes:
        code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    assert _graph(loads(_packed(theirs))) == _graph(network)


def test_buffers_after_the_flatbuffer_are_read(network):
    """As in files over 2 GB, where `Buffer.offset` counts from the start of the file."""
    theirs = generated.ModelT.InitFromPackedBuf(dumps(network), 0)
    contents = [_content(buffer) for buffer in theirs.buffers]
    for buffer, content in zip(theirs.buffers, contents, strict=True):
        if content:
            buffer.data, buffer.offset, buffer.size = None, 2, len(content)
    start = len(_packed(theirs))
    for buffer, content in zip(theirs.buffers, contents, strict=True):
        if content:
            buffer.offset = start
            start += len(content)
    data = _packed(theirs) + b"".join(contents)
    assert _graph(loads(data)) == _graph(network)
    with pytest.raises(flatbuffer.FlatbufferError, match=r"f: buffers\[\d+\]: \d+ bytes at \d+ are outside the file"):
        loads(data[:-1], "f")


def test_equal_constants_and_equal_quantization_are_written_once():
    x, y = Tensor("x", (1, 64), "INT8", Quantization(0.5)), Tensor("y", (1, 64), "INT8", Quantization(0.5))
    weights = np.arange(64 * 64, dtype=np.int8).reshape(64, 64)
    scales = np.linspace(1, 2, 64)

    def layer(source, sink, number):
        constants = [
            Tensor.constant(f"w{number}", weights.copy(), Quantization(scales)),
            Tensor.constant(f"b{number}", np.arange(64, dtype=np.int32), Quantization(scales.copy())),
        ]
        return Operator("FULLY_CONNECTED", [source, *constants], [sink])

    once = dumps(build(layer(x, y, 1)))
    z = Tensor("z", (1, 64), "INT8", Quantization(0.5))
    twice = dumps(build(layer(x, y, 1), layer(y, z, 2)))
    assert len(twice) - len(once) < 300  # weights alone are 4096 bytes, the scales of 64 channels 256, zero points 512
    assert once.count(weights.tobytes()) == twice.count(weights.tobytes()) == 1
    assert twice.count(scales.astype(np.float32).tobytes()) == 1
    first, second = (operator.inputs[1].data for operator in loads(twice).main.operators)
    np.testing.assert_array_equal(first, second)


def test_buffers_are_aligned(network):
    data = dumps(network)
    start = np.frombuffer(data, np.uint8).ctypes.data
    constants = [tensor.data for tensor in loads(data).main.tensors if tensor.data is not None]
    assert len(constants) > 5
    assert all((array.ctypes.data - start) % 16 == 0 for array in constants)
    assert data[4:8] == b"TFL3"


def test_two_processes_write_the_same_bytes(tmp_path):
    program = """
import sys, numpy as np
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, write
x, y = (Tensor(n, (1, 2), "INT8", Quantization(0.5)) for n in "xy")
w = Tensor.constant("w", np.eye(2, dtype=np.int8), Quantization([0.5, 0.25]))
model = build(Operator("FULLY_CONNECTED", [x, w, None], [y]))
model.metadata = {"a": b"1", "b": b"2"}
write(sys.argv[1], model)
assert "tensorflow" not in sys.modules
"""
    files = [tmp_path / "one.tflite", tmp_path / "two.tflite"]
    for seed, file in enumerate(files):
        environment = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)}
        subprocess.run([sys.executable, "-c", program, str(file)], check=True, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_model_that_cannot_be_written_leaves_the_old_file(network, tmp_path):
    path = tmp_path / "model.tflite"
    flatbuffer.write(path, network)
    old = path.read_bytes()
    network.main.operators[0].options["stride_h"] = 1 << 40
    with pytest.raises(flatbuffer.FlatbufferError, match=r"model\.tflite: .*operators\[0\]\.builtin_options\.stride_h"):
        flatbuffer.write(path, network)
    network.main.operators[0].options.update(stride_h=1, padding="FULL")
    with pytest.raises(flatbuffer.FlatbufferError, match="'FULL' is not one of SAME, VALID"):
        flatbuffer.write(path, network)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    assert _graph(flatbuffer.read(path)) == _graph(loads(old))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.main.operators[3].options.update(new_shape=(1 << 31,)),
            r"operators\[3\]\..*new_shape: .*is not a valid int32",
        ),
        (
            lambda m: setattr(m.main.operators[0], "version", 1.5),
            r"operator_codes\[0\]\.version: .* is not a valid int32",
        ),
        (lambda m: setattr(m.main.tensors[0], "name", "\ud800"), r"subgraphs\[0\]\.tensors\[0\]\.name: .*surrogates"),
        (lambda m: setattr(m.main.tensors[3], "type", "INT9"), r"subgraphs\[0\]\.tensors\[3\]"),
        (lambda m: m.main.operators[0].options.update(groups=2), r"Conv2DOptions has no field 'groups'"),
    ],
)
def test_values_that_no_field_holds(network, change, message):
    change(network)
    with pytest.raises(flatbuffer.FlatbufferError, match=rf"^f\.tflite: .*{message}"):
        dumps(network, "f.tflite")


def test_a_model_over_2_gb_is_refused(network, monkeypatch):
    monkeypatch.setattr(encoding, "_MAX_SIZE", 3000)
    with pytest.raises(flatbuffer.FlatbufferError, match=r"f\.tflite: the model would exceed 2 GB"):
        dumps(network, "f.tflite")
