"""`seesaw verify_faces`: arguments, output and exit code."""

import functools

import cv2
import numpy as np
import pytest

FACES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, pixel_network, monkeypatch):
    """A folder with two aligned faces, a gray picture and a network whose embedding is the pixels; worked in."""
    pixel_network(threshold=0.25)
    for name, face in zip("ab", FACES, strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), face[..., ::-1])
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((100, 100, 3), 128, np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(seesaw, folder):
    """Function: arguments -> the finished command, in the folder."""
    return functools.partial(seesaw, "verify_faces")


def test_it_answers_and_draws(run):
    done = run("--model", "pixels.tflite", "--aligned", "a.png", "b.png", "--out", "both.png")
    assert done.returncode == 0, done.stderr
    rows = FACES.reshape(2, -1) - 127.5
    cosine = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    assert done.stdout == f"different people: similarity {cosine:.4f} < threshold 0.2500\n"
    assert cv2.imread("both.png").shape == (348, 496, 3)
    done = run("--model", "pixels.tflite", "--aligned", "a.png", "a.png", "--threshold", "0.9")
    assert done.stdout == "same person: similarity 1.0000 >= threshold 0.9000\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png"], "expected two photographs, got 1"),
        (["a.png", "gray.png"], "a.png: no face found"),
        (["--aligned", "a.png", "absent.png"], "absent.png: there is no such file"),
        (["a.png", "b.png", "--out", "both.jpg"], "'both.jpg' must end in .png"),
        (["a.png", "b.png", "--yunet", "absent.onnx"], "absent.onnx: no such YuNet model"),
    ],
)
def test_user_errors_print_one_line(run, arguments, message):
    done = run("--model", "pixels.tflite", *arguments)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.startswith("verify_faces: ") and done.stderr.count("\n") == 1
