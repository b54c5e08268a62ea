"""The peers' flatbuffers, by three converters: read, written, read again, and run."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from seesaw_keras.tflite.flatbuffer import dumps, loads, read, write

_PEERS = ["ltkhang_mfn", "ltkhang_mfn_uint8", "visassist_mfn_2.6MB", "zye1996_993_quant"]


@pytest.fixture(params=_PEERS)
def peer(request, shared):
    return shared / "peers" / f"{request.param}.tflite"


def _every_tensor(data):
    """All tensors that LiteRT's reference kernels compute for one random input."""
    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    pixels = np.random.RandomState(0).randint(0, 256, entry["shape"])
    interpreter.set_tensor(entry["index"], pixels.astype(entry["dtype"]))
    interpreter.invoke()
    names = [detail["name"] for detail in interpreter.get_tensor_details()]
    return names, [interpreter.get_tensor(number) for number in range(len(names))]


def test_litert_computes_the_same_tensors(peer):
    data = peer.read_bytes()
    written = dumps(read(peer))
    assert len(written) <= len(data)
    assert dumps(loads(written)) == written
    names, tensors = _every_tensor(data)
    new_names, new_tensors = _every_tensor(written)
    assert new_names == names
    assert len(tensors) > 100
    for name, tensor, new in zip(names, tensors, new_tensors, strict=True):
        np.testing.assert_array_equal(new, tensor, err_msg=name)


def test_what_is_read_is_what_the_generated_reader_sees(peer):
    theirs = generated.ModelT.InitFromPackedBuf(peer.read_bytes(), 0)
    model = read(peer)
    assert model.description == theirs.description.decode()
    assert list(model.metadata) == [entry.name.decode() for entry in theirs.metadata]
    (subgraph,) = theirs.subgraphs
    numbers = {tensor: number for number, tensor in enumerate(model.main.tensors)}
    for tensor, entry in zip(model.main.tensors, subgraph.tensors, strict=True):
        data = theirs.buffers[entry.buffer].data
        assert (b"" if tensor.data is None else tensor.data.tobytes()) == (b"" if data is None else data.tobytes())
        scales = entry.quantization.scale if entry.quantization else None
        np.testing.assert_array_equal(tensor.quantization.scales if tensor.quantization else None, scales)
    for operator, entry in zip(model.main.operators, subgraph.operators, strict=True):
        assert [numbers[tensor] for tensor in operator.inputs] == list(entry.inputs)
        assert [numbers[tensor] for tensor in operator.outputs] == list(entry.outputs)
        if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            strides = operator.options["stride_h"], operator.options["stride_w"]
            assert strides == (entry.builtinOptions.strideH, entry.builtinOptions.strideW)


def test_truncated_copies_are_refused(peer, tmp_path):
    data = peer.read_bytes()
    path = tmp_path / "copy.tflite"
    for length in np.linspace(0, len(data) - 1, 20).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"copy\.tflite: "):
            read(path)
    write(path, loads(data))
    assert path.read_bytes() == dumps(read(peer))
