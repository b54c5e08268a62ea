import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from seesaw_keras.data.synthetic import synthetic_face

# Measured alike on Python 3.10, 3.11, 3.13 with NumPy 1.26, 2.4, 2.1 and OpenCV 4.9, 4.14, 4.11, and with AVX, FMA and
# IPP switched off. A change of what is drawn changes it, and with it everybody's synthetic data sets.
PINNED = "fa09d329a49ed155231b1427393d3b1ce92b63aa32918384434c1aa610e44fbf"


def digest_of_six():
    digest = hashlib.sha256()
    for identity in range(6):
        digest.update(synthetic_face(identity, identity % 3, size=(112, 48, 160)[identity % 3]).tobytes())
    return digest.hexdigest()


def test_pictures_are_the_same_for_good():
    assert digest_of_six() == PINNED


def test_a_new_process_draws_the_same_bytes():
    code = "from test_render import digest_of_six; print(digest_of_six())"
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout.strip() == digest_of_six()


def test_the_order_of_drawing_does_not_matter():
    first = [synthetic_face(i, 0) for i in range(4)]
    for i in reversed(range(4)):
        synthetic_face(i, 1)
        assert (synthetic_face(i, 0) == first[i]).all()


@pytest.mark.parametrize("size", [16, 32, 47, 96, 112, 113, 224])
def test_any_size_is_a_square_of_rgb(size):
    face = synthetic_face(2, 1, size=size)
    assert face.shape == (size, size, 3)
    assert face.dtype == np.uint8
    assert face.flags.c_contiguous
    assert face.std() > 10


def test_sizes_show_the_same_scene():
    # Noise, compression and the widths of lines are of the picture's own pixels; of 28 pixels little of them is left.
    for i in range(10):
        small, large = (
            cv2.resize(synthetic_face(i, 0, size=size), (28, 28), interpolation=cv2.INTER_AREA).astype(float)
            for size in (112, 224)
        )
        assert np.abs(small - large).mean() < 6


def test_channels_are_red_green_blue():
    faces = np.stack([synthetic_face(i, 0, size=32) for i in range(60)]).astype(float)
    skin = faces[:, 12:22, 8:24].mean(axis=(0, 1, 2))
    assert skin[0] > skin[1] > skin[2]


@pytest.mark.parametrize("size", [0, 15, 1025])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=r"size must lie in 16\.\.1024"):
        synthetic_face(0, 0, size=size)


@pytest.mark.parametrize("number", [-1, 2**32])
@pytest.mark.parametrize("argument", ["identity", "image", "seed"])
def test_a_number_out_of_range_is_refused(argument, number):
    arguments = {"identity": 0, "image": 0, "seed": 0, argument: number}
    with pytest.raises(ValueError, match=r"\[0, 2\*\*32\)"):
        synthetic_face(**arguments)


def test_people_are_told_apart_but_not_by_color_alone():
    # Nearest other picture of 40 people with 8 pictures each, after removing the mean: by pixels it is the same person
    # more often than chance, and far from always.
    faces = np.stack([synthetic_face(i // 8, i % 8, size=32) for i in range(320)]).reshape(320, -1).astype(float)
    owner = np.arange(320) // 8
    faces -= faces.mean(0)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    likeness = faces @ faces.T
    np.fill_diagonal(likeness, -1)
    hits = (owner[likeness.argmax(1)] == owner).mean()
    assert 3 * 7 / 319 < hits < 0.8


def test_importing_and_drawing_needs_no_tensorflow():
    code = "import sys; from seesaw_keras.data.synthetic import synthetic_face as draw; draw(0, 0); "
    code += "print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
