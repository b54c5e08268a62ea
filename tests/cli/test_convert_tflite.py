"""`seesaw convert_tflite` writes a flatbuffer, or prints one line of error and writes nothing."""

import functools
import re

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import read_facts
from seesaw_keras.tflite.flatbuffer import reader, writer
from seesaw_keras.tflite.runtimes import RUNTIMES, available_runtimes


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "convert_tflite")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """A network of three layers: random weights, which count as trained, amplify what runtimes round in deeper ones."""
    from seesaw_keras.api import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(16, 3, strides=2, name="stem_conv"),
        keras.layers.DepthwiseConv2D(7, name="pool_conv"),
        keras.layers.Conv2D(8, 1, name="embedding_conv"),
        keras.layers.Flatten(name="embedding"),
    ]
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    keras.Sequential([keras.Input((16, 16, 3), name="image"), *layers]).save(path)
    return path


def test_writes_a_file_and_prints_its_cost(run, keras_file, tmp_path):
    out = tmp_path / "tiny.tflite"
    flags = ["--images", 4, "--input", "uint8", "--threshold", 0.3, "--errors", tmp_path / "errors.png"]
    done = run("--model", keras_file, "--out", out, *flags)
    assert done.returncode == 0, done.stderr
    model = flatbuffer.read(out)
    assert model.main.inputs[0].shape == (1, 16, 16, 3)
    facts = read_facts(model)
    assert (facts["variant"], facts["threshold"], facts["trained"]) == (None, 0.3, True)
    assert "UINT8 (1, 16, 16, 3) -> INT8 (1, 8)" in done.stdout
    for word in ("DEPTHWISE_CONV_2D", f"{out.stat().st_size:,} bytes", "adds a QUANTIZE operator", "activation peak"):
        assert word in done.stdout
    assert "LiteRT XNNPACK, adversarial" in done.stdout
    if "tflm" in available_runtimes():
        assert f"entries of {len(model.main.producers())} tensors on 6 inputs" in done.stdout
        assert done.stdout.splitlines()[-1] == "passed"
    assert "warning" not in done.stderr
    assert "signal-to-quantization-noise ratio, worst 3 of 3 tensors" in done.stdout
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")


def test_xnnpack_target_is_verified_and_compared(run, keras_file, tmp_path):
    out = tmp_path / "tiny.tflite"
    done = run("--model", keras_file, "--out", out, "--images", 4, "--target", "xnnpack")
    assert done.returncode == 0, done.stderr
    model = flatbuffer.read(out)
    assert "DEPTHWISE_CONV_2D" not in {operator.code for operator in model.main.operators}
    assert read_facts(model)["target"] == "xnnpack"
    assert "comparing both forms on 6 inputs" in done.stderr
    assert "flatten_depthwise: 1" in done.stdout
    assert re.search(rf"operators +4 -> +{len(model.main.operators)}\n", done.stdout)
    assert re.search(rf"bytes .* -> +{out.stat().st_size:,}\n", done.stdout)


@pytest.mark.slow
def test_tflm_target_is_verified_and_fits(run, keras_file, tmp_path):
    out = tmp_path / "tiny.tflite"
    flags = ["--model", keras_file, "--out", out, "--images", 4, "--target", "tflm"]
    done = run(*flags, "--arena", "1K")
    assert done.returncode == 1 and not out.exists()
    last = done.stderr.splitlines()[-1]
    assert re.search(r"does not fit into an arena of 1,024 bytes: the smallest plan takes [\d,]+ bytes", last)
    done = run(*flags, "--arena", "64k")
    assert done.returncode == 0, done.stderr
    assert read_facts(flatbuffer.read(out))["target"] == "tflm"
    assert "comparing both forms on 6 inputs" in done.stderr
    if "tflm" in available_runtimes():
        assert int(re.search(r"([\d,]+) required", done.stdout)[1].replace(",", "")) <= 64 << 10


@pytest.mark.parametrize("target", ["plain", "xnnpack", "tflm"])
def test_each_network_is_parsed_or_written_once(run, keras_file, tmp_path, monkeypatch, target):
    done = []
    for module, what in ((reader, "parsed"), (writer, "written")):
        monkeypatch.setattr(module, "verify", lambda *model, what=what: done.append(what) or flatbuffer.verify(*model))
    out = tmp_path / "tiny.tflite"
    assert run("--model", keras_file, "--out", out, "--images", 4, "--target", target).returncode == 0
    # TensorFlow's float and int8 networks; the converted network and its other form.
    assert (done.count("parsed"), done.count("written")) == (2, 1 if target == "plain" else 2)


@pytest.mark.parametrize("equals", ["reference", ""])
def test_no_output_is_written_if_runtimes_differ(run, keras_file, tmp_path, monkeypatch, equals):
    out, failed = tmp_path / "tiny.tflite", tmp_path / "tiny.failed.tflite"
    out.write_bytes(b"an earlier one")

    class Doctored(RUNTIMES["reference"]):
        """Kernels that turn images upside down, and have to equal the first."""

        title = "doctored"

        def invoke(self, *inputs):
            return super().invoke(*(array[:, ::-1] for array in inputs))

    Doctored.equals = equals
    monkeypatch.setitem(RUNTIMES, "xnnpack", Doctored)
    done = run("--model", keras_file, "--out", out, "--images", "4")
    last = done.stderr.splitlines()[-1]
    if equals:
        assert done.returncode == 1
        assert "NOT PASSED\n  LiteRT reference and doctored differ in" in done.stdout
        assert last.endswith(f"{out}: not written, see above; the converted network is in {failed}")
        assert out.read_bytes() == b"an earlier one"
        assert flatbuffer.read(failed).main.outputs[0].shape == (1, 8)
    else:  # a matter of quality
        assert done.returncode == 0
        assert last.startswith("warning: doctored, images: a cosine of ")
        assert flatbuffer.read(out).main.outputs[0].shape == (1, 8)
        assert not failed.exists()


def test_user_errors_print_one_line_and_write_no_file(run, keras_file, tmp_path):
    out = tmp_path / "out.tflite"
    for arguments, message in (
        (["--model", "shufle"], "shufle: not a file, a folder or a variant"),
        (["--model", keras_file, "--weights", "w.h5"], "contains its own weights"),
        (
            ["--model", keras_file, "--type", "dynamic", "--target", "xnnpack"],
            "--target xnnpack does not support --type dynamic",
        ),
        (
            ["--model", keras_file, "--type", "float16", "--target", "tflm"],
            "--target tflm requires --type int8, got float16",
        ),
        (["--model", keras_file, "--target", "phone"], "unknown target 'phone': it is now 'xnnpack'"),
        (
            ["--model", keras_file, "--card", "c.json", "--threshold", "0.3"],
            "--card and --threshold are mutually exclusive",
        ),
        (["--model", keras_file, "--arena", "384k"], "--arena requires --target tflm, got plain"),
        (["--model", keras_file, "--target", "tflm", "--arena", "big"], "invalid size 'big'"),
        (["--model", keras_file, "--data", tmp_path / "absent"], "there is no such file or folder"),
        (
            ["--model", keras_file, "--type", "dynamic", "--errors", "e.png"],
            "--errors requires --type int8, got dynamic",
        ),
    ):
        done = run(*arguments, "--out", out)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("convert_tflite: ")
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
