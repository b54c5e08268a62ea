"""The tool on a small network: what it writes, what it prints, what it refuses."""

import functools
import re

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import store_facts
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

pytestmark = pytest.mark.skipif("tflm" not in available_runtimes(), reason="TFLite Micro is not installed")


def network(type, **facts):
    """Means of patches of a 16x16 image, in int8 or float."""
    scale = Quantization(1 / 127.5) if type == "INT8" else None
    image, small = Tensor("image", (1, 16, 16, 3), type, scale), Tensor("small", (1, 4, 4, 3), type, scale)
    embedding = Tensor("embedding", (1, 48), type, scale)
    shape = Tensor.constant("shape", np.array([1, 48], np.int32))
    window = {"filter_height": 4, "filter_width": 4, "stride_h": 4, "stride_w": 4}
    model = flatbuffer.build(
        Operator("AVERAGE_POOL_2D", [image], [small], window, 2),
        Operator("RESHAPE", [small, shape], [embedding], {"new_shape": (1, 48)}),
    )
    store_facts(model, **facts)
    return model


@pytest.fixture
def folder(tmp_path):
    flatbuffer.write(tmp_path / "int8.tflite", network("INT8", threshold=0.25))
    flatbuffer.write(tmp_path / "float32.tflite", network("FLOAT32", threshold=0.25))
    flatbuffer.write(tmp_path / "bare.tflite", network("INT8"))
    (tmp_path / "damaged.tflite").write_bytes((tmp_path / "int8.tflite").read_bytes()[:-50])
    return tmp_path


@pytest.fixture
def run(seesaw, folder, monkeypatch):
    """Function: words -> the finished command, in the folder."""
    monkeypatch.chdir(folder)
    return functools.partial(seesaw, "export_micro")


def test_an_export_and_another_in_its_place(run, folder):
    done = run("--model", "int8.tflite", "--out", "firmware/face")
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_text("utf-8") for file in (folder / "firmware" / "face").iterdir()}
    assert {"CMakeLists.txt", "README.md", "face_embedder.h", "golden.cc", "model.cc", "self_test.h"} <= made.keys()
    arena = open_runtime("tflm", folder / "int8.tflite").arena
    size = re.search(r"kArenaSize = (\d+);", made["model.h"])[1]
    lines = done.stdout.splitlines()
    assert lines[0] == f"firmware/face: {len(made)} files"
    assert lines[1].split() == ["network", f"{(folder / 'int8.tflite').stat().st_size:,}", "bytes", "of", "flash"]
    assert re.sub(" +", " ", lines[2]).startswith(
        f"arena {int(size):,} bytes, {arena.planned:,} planned + {arena.persistent:,} persistent on x86-64 + "
    )
    assert lines[3].split() == ["operators", "2", "kinds:", "AVERAGE_POOL_2D,", "RESHAPE"]
    assert lines[4].split() == ["threshold", "0.25", "=", "8192/32768"]

    done = run("--model", "bare.tflite", "--threshold", "-0.5", "--out", "firmware/face")
    assert done.returncode == 0, done.stderr
    assert "kThresholdQ15 = -16384;" in (folder / "firmware" / "face" / "model.h").read_text("utf-8")
    assert [path.name for path in (folder / "firmware").iterdir()] == ["face"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--model", "float32.tflite"],
            "float32.tflite: the input is FLOAT32 (1, 16, 16, 3); expected one RGB image in int8",
        ),
        (["--model", "bare.tflite"], "bare.tflite: no threshold is stored in it; set --threshold"),
        (["--model", "damaged.tflite"], "damaged.tflite: "),
        (["--model", "absent.tflite"], "absent.tflite"),
        (["--model", "model.keras"], "model.keras: expected a .tflite file; `seesaw convert_tflite` creates one"),
        (
            ["--model", "int8.tflite", "--out", "."],
            "contains bare.tflite, which no export wrote; choose another folder",
        ),
        (["--model", "int8.tflite", "--out", "int8.tflite"], "int8.tflite: is a file, expected a folder"),
    ],
)
def test_user_errors_print_one_line_and_write_nothing(run, folder, flags, message):
    before = sorted(folder.iterdir())
    done = run(*(["--out", "face", *flags]))
    assert done.returncode == 1
    *progress, mistake = done.stderr.splitlines()
    assert mistake.startswith("export_micro: ")
    assert message in mistake
    assert progress in ([], ["running TFLite Micro ..."])
    assert sorted(folder.iterdir()) == before
