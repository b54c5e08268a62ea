"""A model and its bytes come out of either, and what is there is not made again."""

import pytest

from seesaw_keras.tflite.flatbuffer import FlatbufferError, ModelFile, dumps, write


def test_of_a_path(network, tmp_path):
    write(tmp_path / "f.tflite", network)
    for path in (tmp_path / "f.tflite", str(tmp_path / "f.tflite")):
        file = ModelFile.of(path, "another name")
        assert (file.name, file.data) == (str(path), (tmp_path / "f.tflite").read_bytes())
        assert dumps(file.model) == file.data
    with pytest.raises(OSError, match=r"absent\.tflite"):
        ModelFile.of(tmp_path / "absent.tflite")


def test_of_bytes_and_of_a_model(network):
    data = dumps(network)
    parsed, written = ModelFile.of(data, "f.tflite"), ModelFile.of(network)
    assert parsed.data is data and dumps(parsed.model) == data
    assert written.model is network and written.data == data
    assert (parsed.name, written.name) == ("f.tflite", "model")
    assert ModelFile.of(parsed, "another name") is parsed


def test_what_is_damaged_is_refused_by_its_name(network):
    with pytest.raises(FlatbufferError, match=r"^f\.tflite: "):
        ModelFile.of(dumps(network)[:-40], "f.tflite")
    network.main.operators.reverse()
    with pytest.raises(FlatbufferError, match=r"^f\.tflite: .* is not computed before this operator"):
        ModelFile.of(network, "f.tflite")
