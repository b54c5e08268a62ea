"""Truncated, damaged and crafted files: one clear error, whatever the bytes."""

import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from flatbuffers import Builder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.flatbuffer import FlatbufferError, dumps, loads

_WORDS = [0, 1, 2, 4, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF]


def _refused(data, message):
    with pytest.raises(FlatbufferError, match=rf"^f\.tflite: {message}") as refusal:
        loads(data, "f.tflite")
    assert len(str(refusal.value)) < 400


def _survives(data):
    """Either a `FlatbufferError` that names the file, or a model that can be written and read again."""
    try:
        model = loads(data, "f.tflite")
    except FlatbufferError as error:
        assert str(error).startswith("f.tflite: ")
    else:
        written = dumps(model)
        assert dumps(loads(written)) == written


_mutations = st.lists(
    st.one_of(
        st.tuples(st.just("bit"), st.floats(0, 1), st.integers(0, 7)),
        st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("word"), st.floats(0, 1), st.one_of(st.sampled_from(_WORDS), st.integers(0, 5000))),
        st.tuples(st.just("copy"), st.floats(0, 1), st.floats(0, 1)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=_mutations)
def test_mutated_files(network, mutations):
    data = bytearray(dumps(network))
    for kind, where, what in mutations:
        index = int(where * (len(data) - 1))
        if kind == "bit":
            data[index] ^= 1 << what
        elif kind == "byte":
            data[index] = what
        elif kind == "word":
            index &= ~3
            data[index : index + 4] = struct.pack("<I", what)
        else:
            source = int(what * (len(data) - 1))
            data[index : index + 32] = data[source : source + 32][: len(data) - index]
    _survives(bytes(data))


def test_every_length_is_refused(network):
    data = dumps(network)
    for length in range(0, len(data) - 16, 7):
        with pytest.raises(FlatbufferError):
            loads(data[:length], "f.tflite")


@settings(max_examples=200, deadline=None)
@given(tail=st.binary(max_size=200), root=st.integers(0, 220))
def test_random_bytes(tail, root):
    _survives(struct.pack("<I4s", root, b"TFL3") + tail)


def test_what_is_no_flatbuffer():
    for data in (b"", b"\x18\0\0\0TFL", b"\x89PNG\r\n\x1a\n" + bytes(100), b"\x1c\0\0\0TFL2" + bytes(100)):
        _refused(data, "not a TensorFlow Lite model")


def _edited(network, edit):
    """The file with the generated classes' object model changed by a function."""
    model = generated.ModelT.InitFromPackedBuf(dumps(network), 0)
    edit(model, model.subgraphs[0])
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _set(path, value):
    """A function that sets a field, named from the subgraph on."""
    *owners, last = path

    def edit(model, subgraph):
        owner = subgraph
        for step in owners:
            owner = owner[step] if isinstance(step, int) else getattr(owner, step)
        setattr(owner, last, value)

    return edit


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("tensors", 1, "buffer"), 99, r"subgraphs\[0\]\.tensors\[1\]\.buffer: index 99 is out of range"),
        (
            ("tensors", 1, "shape"),
            [8, 3, 3, 4],
            r"subgraphs\[0\]\.tensors\[1\]\.buffer: 216 bytes do not match a constant INT8",
        ),
        (("tensors", 1, "shape"), [2**31 - 1] * 4, r"subgraphs\[0\]\.tensors\[1\]: shape: INT8 .* larger than 2 GB"),
        (("tensors", 1, "shape"), [-8, -3, 3, 3], r"subgraphs\[0\]\.tensors\[1\]: shape: negative dimension"),
        (("tensors", 1, "shape"), [1] * 5000, r"subgraphs\[0\]\.tensors\[1\]: shape: 5000 dimensions"),
        (("tensors", 0, "type"), 77, r"subgraphs\[0\]\.tensors\[0\]\.type: unknown TensorType value 77"),
        (("tensors", 0, "type"), -1, r"subgraphs\[0\]\.tensors\[0\]\.type: unknown TensorType value 255"),
        (
            ("tensors", 1, "type"),
            13,
            r"subgraphs\[0\]\.tensors\[1\]\.buffer: 216 bytes do not match a constant RESOURCE",
        ),
        (("tensors", 0, "externalBuffer"), 1, r"subgraphs\[0\]\.tensors\[0\]\.external_buffer: not supported"),
        (("tensors", 0, "sparsity"), generated.SparsityParametersT(), r".*tensors\[0\]\.sparsity: not supported"),
        (("tensors", 1, "quantization", "zeroPoint"), [0, 0], r".*tensors\[1\]\.quantization\.zero_point: 2 entries"),
        (("tensors", 1, "quantization", "quantizedDimension"), -1, r".*tensors\[1\] 'w': quantization: axis -1"),
        (("inputs",), [-1], r"subgraphs\[0\]\.inputs\[0\]: index -1 is out of range"),
        (("outputs",), [10**9], r"subgraphs\[0\]\.outputs\[0\]: index 1000000000 is out of range"),
        (("operators", 2, "inputs"), [-2, 0], r"subgraphs\[0\]\.operators\[2\]\.inputs\[0\]: index -2 is out of range"),
        (("operators", 2, "outputs"), [-1], r"subgraphs\[0\]\.operators\[2\]\.outputs\[0\]: index -1 is out of range"),
        (
            ("operators", 2, "opcodeIndex"),
            50,
            r"subgraphs\[0\]\.operators\[2\]\.opcode_index: index 50 is out of range",
        ),
        (
            ("operators", 2, "opcodeIndex"),
            0,
            r".*operators\[2\]\.builtin_options_type: unexpected AddOptions for CONV_2D",
        ),
        (
            ("operators", 0, "builtinOptions", "padding"),
            2,
            r".*operators\[0\]\.builtin_options\.padding: unknown Padding value 2",
        ),
        (("operators", 0, "largeCustomOptionsOffset"), 64, r".*operators\[0\]\.large_custom_options_offset: not supp"),
    ],
)
def test_contradicting_fields(network, path, value, message):
    _refused(_edited(network, _set(path, value)), message)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda model, _: setattr(model, "version", 2), "version: expected 3, got 2"),
        (lambda model, _: vars(model).update(subgraphs=[], signatureDefs=[]), "subgraphs: empty"),
        (lambda model, _: setattr(model.buffers[0], "data", [1]), r"buffers\[0\]: not empty"),
        (lambda model, _: setattr(model.metadata[1], "name", "note"), r"metadata\[1\]\.name: duplicate name"),
        (
            lambda model, _: setattr(model.metadata[0], "buffer", 10**6),
            r"metadata\[0\]\.buffer: index 1000000 is out of range",
        ),
        (
            lambda model, _: setattr(model.operatorCodes[0], "builtinCode", 4000),
            r".*builtin_code: index 4000 is out of range",
        ),
        (lambda model, _: setattr(model.signatureDefs[0], "subgraphIndex", 1), r"signature_defs\[0\]\.subgraph_index"),
        (
            lambda model, _: setattr(model.signatureDefs[0].inputs[0], "tensorIndex", 500),
            r"signature_defs\[0\]\.inputs\[0\]\.tensor_index: index 500 is out of range",
        ),
        (
            lambda model, _: setattr(model.signatureDefs[0], "inputs", model.signatureDefs[0].inputs * 2),
            r"signature_defs\[0\]\.inputs: duplicate name",
        ),
        (lambda model, _: setattr(model, "description", b"\xff\xfe"), "description: not UTF-8"),
    ],
)
def test_contradicting_tables(network, edit, message):
    _refused(_edited(network, edit), message)


def test_a_length_far_beyond_the_file_allocates_nothing(network):
    data = dumps(network)
    weights = network.main.operators[0].inputs[1].data.tobytes()
    index = data.index(weights) - 4
    assert data[index : index + 4] == struct.pack("<I", len(weights))
    for length in (len(data), 0x7FFFFFFF, 0xFFFFFFFF):
        _refused(
            data[:index] + struct.pack("<I", length) + data[index + 4 :], rf"buffers\[\d+\]\.data: {length} bytes at"
        )


def _tables(builder, start, tables):
    start(builder, len(tables))
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def _finish(builder, subgraphs, buffers=()):
    subgraphs = _tables(builder, generated.ModelStartSubgraphsVector, subgraphs)
    buffers = _tables(builder, generated.ModelStartBuffersVector, list(buffers))
    generated.ModelStart(builder)
    generated.ModelAddVersion(builder, 3)
    generated.ModelAddSubgraphs(builder, subgraphs)
    generated.ModelAddBuffers(builder, buffers)
    builder.Finish(generated.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(builder, shape=(), **fields):
    shape = builder.CreateNumpyVector(np.array(shape, np.int32))
    generated.TensorStart(builder)
    generated.TensorAddShape(builder, shape)
    for name, value in fields.items():
        getattr(generated, f"TensorAdd{name}")(builder, value)
    return generated.TensorEnd(builder)


def _subgraph(builder, tensors):
    tensors = _tables(builder, generated.SubGraphStartTensorsVector, tensors)
    generated.SubGraphStart(builder)
    generated.SubGraphAddTensors(builder, tensors)
    return generated.SubGraphEnd(builder)


def _empty_buffer(builder):
    generated.BufferStart(builder)
    return generated.BufferEnd(builder)


def test_shared_tables_that_stand_for_a_tree_without_end():
    """20,000 subgraphs of 20,000 tensors in 160 kB."""
    builder = Builder(1024)
    subgraph = _subgraph(builder, [_tensor(builder)] * 20_000)
    data = _finish(builder, [subgraph] * 20_000, [_empty_buffer(builder)])
    assert len(data) < 200_000
    _refused(data, r"subgraphs\[\d+\].*: overlapping tables expand")


def test_shared_names_that_stand_for_a_tree_without_end():
    builder = Builder(1024)
    name = builder.CreateString("n" * 100_000)
    data = _finish(builder, [_subgraph(builder, [_tensor(builder, Name=name)] * 20_000)], [_empty_buffer(builder)])
    _refused(data, r"subgraphs\[0\]\.tensors\[\d+\]\.name: overlapping tables expand")


def test_a_shared_buffer_of_strings():
    builder = Builder(1024)
    strings = struct.pack("<20002i", 20_000, *[80_008] * 20_001)
    data = builder.CreateByteVector(strings)
    generated.BufferStart(builder)
    generated.BufferAddData(builder, data)
    full = generated.BufferEnd(builder)
    buffers = [_empty_buffer(builder), full]
    tensor = _tensor(builder, [20_000], Type=generated.TensorType.STRING, Buffer=1)
    _refused(_finish(builder, [_subgraph(builder, [tensor] * 10_000)], buffers), ".*shared buffers expand")
