"""The tool on small flatbuffers: what it prints, what it writes, and its exit code."""

import functools
import json
import re

import cv2
import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import store_facts
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import RUNTIMES, LiteRTReference, available_runtimes

PEOPLE = 12


def network(path, type):
    """Writes random 4x4 convolutions of 16x16 images; the int8 ones are those of the float ones."""
    r = np.random.default_rng(0)
    integers, scale = r.integers(-127, 128, (8, 4, 4, 3)).astype(np.int8), np.float32(0.002)
    unit = (lambda value, zero_point=0: Quantization(value, zero_point)) if type == "INT8" else lambda *_: None
    image = Tensor("image", (1, 16, 16, 3), type, unit(1 / 127.5))
    features = Tensor("features", (1, 4, 4, 8), type, unit(0.03))
    embedding = Tensor("embedding", (1, 128), type, unit(0.03))
    weights = integers if type == "INT8" else integers * scale
    bias = np.zeros(8, np.int32 if type == "INT8" else np.float32)
    constants = Tensor.constant("w", weights, unit([scale] * 8)), Tensor.constant("b", bias, unit([scale / 127.5] * 8))
    shape = Tensor.constant("shape", np.array([1, 128], np.int32))
    strides = {"padding": "VALID", "stride_h": 4, "stride_w": 4}
    model = flatbuffer.build(
        Operator("CONV_2D", [image, *constants], [features], strides, 3 if type == "INT8" else 1),
        Operator("RESHAPE", [features, shape], [embedding], {"new_shape": (1, 128)}),
    )
    store_facts(model, trained=True)
    flatbuffer.write(path, model)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network in int8 and in float, and 12 people in two similar pictures each, with pairs of them."""
    folder, r = tmp_path_factory.mktemp("check"), np.random.default_rng(0)
    network(folder / "int8.tflite", "INT8")
    network(folder / "float.tflite", "FLOAT32")
    for person in range(PEOPLE):
        (folder / "images" / f"p{person}").mkdir(parents=True)
        face = r.integers(16, 240, (16, 16, 3))
        for number in (1, 2):
            image = (face + r.integers(-16, 17, face.shape)).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / f"p{person}" / f"p{person}_{number:04d}.png"), image)
    lines = ["2\t6"]
    for fold in (range(6), range(6, 12)):
        lines += [f"p{person}\t1\t2" for person in fold]
        lines += [f"p{person}\t1\tp{(person + 1) % PEOPLE}\t2" for person in fold]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "check_tflite")


class UpsideDown(LiteRTReference):
    """Kernels that turn images upside down."""

    title = "upside down"

    def invoke(self, *inputs):
        return super().invoke(*(array[:, ::-1] for array in inputs))


def test_a_network_on_synthetic_faces(folder, run):
    done = run("--model", folder / "int8.tflite", "--inputs", 3)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{folder / 'int8.tflite'}:"
    rows = {line.split("  ")[0]: line.split() for line in lines}
    assert rows["LiteRT XNNPACK, synthetic"][3] == "3"
    assert rows["LiteRT XNNPACK, adversarial"][3] == "4"
    if "tflm" in available_runtimes():
        assert rows["TFLite Micro, synthetic"][-3:] == ["0", "0.00%", "1.0000"]
        assert f"agree in all {7 * 2 * 128:,} entries of 2 tensors on 7 inputs" in done.stdout
        assert "TFLite Micro arena: " in done.stdout
        assert lines[-1] == "passed"


def test_audit(folder, run):
    done = run("--model", folder / "int8.tflite", "--inputs", 1, "--audit")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("CONV_2D"))
    assert row.split() == ["CONV_2D", "1", "100.0%", "83.2%", "1", "yes", "1"]
    assert "XNNPACK, in 1 partition: 0.0% of multiply-adds and 0.0% of bytes are not on its kernels" in done.stdout
    assert done.stdout.splitlines()[-1] == "passed"


def test_beside_the_float_network_on_pairs(folder, run, tmp_path):
    done = run(
        *("--model", folder / "int8.tflite", "--float", folder / "float.tflite", "--inputs", 5),
        *("--data", folder / "images", "--pairs", folder / "pairs.txt", "--json", tmp_path / "check.json"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert record["passed"]
    assert {row["group"]: row["inputs"] for row in record["rows"]} == {"synthetic": 5, "given": 5, "adversarial": 4}
    assert all(row["float_cosine"][1] > 0.999 for row in record["rows"] if row["group"] != "adversarial")
    assert {"LiteRT reference", "LiteRT XNNPACK", "float"} == set(record["accuracy"])
    assert min(record["accuracy"].values()) > 90
    assert f"accuracy, float: {record['accuracy']['float']:.2f}%" in done.stdout


def test_images_without_pairs(folder, run, tmp_path):
    done = run(
        *("--model", folder / "int8.tflite", "--inputs", 50, "--data", folder / "images"),
        *("--json", tmp_path / "check.json"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert {row["group"]: row["inputs"] for row in record["rows"]} == {
        "synthetic": 50,
        "given": 2 * PEOPLE,
        "adversarial": 4,
    }
    assert record["accuracy"] == {}


def test_differences_exit_with_code_1(folder, run, tmp_path, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "xnnpack", UpsideDown)
    done = run("--model", folder / "int8.tflite", "--inputs", "2", "--json", tmp_path / "check.json")
    assert done.returncode == 1
    *_, verdict, reason = done.stdout.splitlines()
    assert verdict == "NOT PASSED"
    assert re.fullmatch(r"  upside down, synthetic: a cosine of -?0\.\d+, less than 0\.995", reason)
    assert json.loads((tmp_path / "check.json").read_text("utf-8"))["passed"] is False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "model.keras"], "model.keras: expected a .tflite file; `seesaw convert_tflite` creates one"),
        (["--model", "absent.tflite"], "absent.tflite: no such model"),
        (["--model", "int8.tflite", "--pairs", "pairs.txt"], "--pairs requires --data, the images"),
        (["--model", "int8.tflite", "--float", "rows.npy"], "rows.npy: contains embeddings already; give a model"),
        (["--model", "int8.tflite", "--preprocess", "raw"], "preprocess 'raw' is not what it was converted for"),
    ],
)
def test_user_errors_print_one_line(folder, run, tmp_path, flags, message):
    np.save(tmp_path / "rows.npy", np.ones((2, 3)))
    indices = {"int8.tflite": folder / "int8.tflite", "rows.npy": tmp_path / "rows.npy"}
    done = run(*(indices.get(flag, flag) for flag in flags))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
