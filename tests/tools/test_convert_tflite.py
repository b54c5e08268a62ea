"""The command line: a file out of a file, or one line of error and no file."""

import subprocess
import sys

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.interface import read_facts


def run(repository, *arguments):
    command = [sys.executable, str(repository / "tools" / "convert_tflite.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    import seesaw_keras

    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    seesaw_keras.build("mobilefacenet", input_shape=(16, 16, 3), width=0.1, embedding_size=8).save(path)
    return path


def test_writes_a_file_and_prints_what_it_costs(repository, keras_file, tmp_path):
    out = tmp_path / "tiny.tflite"
    done = run(repository, "--model", keras_file, "--out", out, "--images", 4, "--input", "uint8", "--threshold", 0.3)
    assert done.returncode == 0, done.stderr
    model = flatbuffer.read(out)
    assert model.main.inputs[0].shape == (1, 16, 16, 3)
    facts = read_facts(model)
    assert (facts["variant"], facts["threshold"], facts["trained"]) == (None, 0.3, True)
    assert "UINT8 (1, 16, 16, 3) -> INT8 (1, 8)" in done.stdout
    for word in ("DEPTHWISE_CONV_2D", f"{out.stat().st_size:,} bytes", "one QUANTIZE", "activation peak"):
        assert word in done.stdout
    assert "warning" not in done.stderr


def test_a_mistake_is_one_line_and_no_file(repository, keras_file, tmp_path):
    out = tmp_path / "out.tflite"
    for arguments, message in (
        (["--model", "shufle"], "shufle: neither a file or folder nor a variant"),
        (["--model", keras_file, "--weights", "w.h5"], "brings its own weights"),
        (["--model", keras_file, "--data", tmp_path / "absent"], "there is no such file or folder"),
    ):
        done = run(repository, *arguments, "--out", out)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("convert_tflite: ")
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
