import subprocess
import sys

import numpy as np
import pytest

from seesaw_keras.faces import CascadeDetector, Face, main_face, open_detector
from seesaw_keras.faces.face import check_image


def face(x, y, width, height):
    return Face(np.array([x, y, width, height], np.float32), 1.0, np.zeros((2, 2), np.float32))


@pytest.mark.parametrize(
    ("faces", "chosen"),
    [
        ([face(0, 0, 10, 10), face(0, 0, 30, 30)], 1),
        ([face(0, 0, 40, 40), face(80, 80, 40, 40)], 1),  # equal areas: the central one
        ([face(90, 90, 20, 20), face(0, 0, 190, 190)], 1),  # 400 - 0 against 36,100 - 50
    ],
)
def test_main_face_is_large_and_central(faces, chosen):
    assert main_face(faces, (200, 200, 3)) == chosen
    assert main_face(faces[::-1], (200, 200, 3)) == 1 - chosen


def test_main_face_of_none():
    with pytest.raises(ValueError, match="faces must not be empty"):
        main_face([], (10, 10, 3))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), "5 x 0"),
        (np.zeros((5, 5), np.uint8), r"\(5, 5\)"),
        (np.zeros((5, 5, 4), np.uint8), r"\(5, 5, 4\)"),
        (np.zeros((5, 5, 3), np.float32), "float32"),
    ],
)
def test_no_image(image, message):
    with pytest.raises(ValueError, match=message):
        check_image(image)
    with pytest.raises(ValueError, match=message):
        CascadeDetector().detect(image)


def test_missing_model_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx.*opencv_zoo"):
        open_detector(tmp_path / "absent.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", bytes(5000)])
def test_file_that_is_no_model(tmp_path, content):
    file = tmp_path / "broken.onnx"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.onnx.*YuNet"):
        open_detector(file)


def test_default_is_the_cascades():
    assert isinstance(open_detector(), CascadeDetector)


def test_imports_no_tensorflow():
    code = "import sys, seesaw_keras.faces; print('tensorflow' in sys.modules, 'matplotlib' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["False", "False"]
