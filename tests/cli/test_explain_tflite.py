"""The tool on a small network: what it writes, what it prints, what it refuses."""

import functools
import shutil

import cv2
import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor


def network(type):
    """Means of patches of a 16x16 image, in int8 or float."""
    scale = Quantization(1 / 127.5) if type == "INT8" else None
    image, small = Tensor("image", (1, 16, 16, 3), type, scale), Tensor("small", (1, 4, 4, 3), type, scale)
    embedding = Tensor("embedding", (1, 48), type, scale)
    shape = Tensor.constant("shape", np.array([1, 48], np.int32))
    window = {"filter_height": 4, "filter_width": 4, "stride_h": 4, "stride_w": 4}
    return flatbuffer.build(
        Operator("AVERAGE_POOL_2D", [image], [small], window, 2),
        Operator("RESHAPE", [small, shape], [embedding], {"new_shape": (1, 48)}),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    for type in ("INT8", "FLOAT32"):
        flatbuffer.write(folder / f"{type.lower()}.tflite", network(type))
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3))
    cv2.imwrite(str(folder / "face.png"), pixels.astype(np.uint8))
    return folder


@pytest.fixture
def run(seesaw, folder, monkeypatch):
    """Function: words -> the finished command, in the folder."""
    monkeypatch.chdir(folder)
    return functools.partial(seesaw, "explain_tflite")


def test_with_and_without_float(run, folder):
    done = run("int8.tflite", "face.png", "--float", "float32.tflite", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("page.html: ")
    assert "% of the output lost" in done.stdout
    page = (folder / "page.html").read_text("utf-8")
    assert "tensors have a counterpart" in page
    done = run("int8.tflite", "face.png", "--flavor", "tflm")
    assert done.returncode == 0, done.stderr
    assert "lost" not in done.stdout
    assert "No float network was given" in (folder / "int8.html").read_text("utf-8")


def test_the_first_image_of_a_data_set(run, folder):
    (folder / "faces" / "ada").mkdir(parents=True)
    shutil.copy(folder / "face.png", folder / "faces" / "ada" / "0.png")
    for words in (["face.png", "--out", "one.html"], ["--data", "faces", "--out", "first.html"]):
        done = run("int8.tflite", *words)
        assert done.returncode == 0, done.stderr
    assert (folder / "one.html").read_text("utf-8") == (folder / "first.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["int8.tflite"], "give a .tflite file and an image"),
        (["int8.tflite", "face.png", "--data", "faces"], "or --data instead of the image"),
        (["face.png", "face.png"], "face.png"),
        (["int8.tflite", "int8.tflite"], "int8.tflite"),
    ],
)
def test_mistakes(run, words, message):
    done = run(*words)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
