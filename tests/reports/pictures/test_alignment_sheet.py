"""The contact sheet shows what it should, whatever files are called and however many there are."""

import warnings

import cv2
import numpy as np
import pytest

from seesaw_keras.faces import Face, align
from seesaw_keras.faces.photographs import NO_FACE, Finding
from seesaw_keras.reports.pictures.alignment_sheet import MAX_FACES, MAX_FOUND, ORANGE, RED, WIDTH, contact_sheet


class Photographs:
    """Random photographs under any name; those whose name contains "bad" cannot be read."""

    def __init__(self, height=250, width=250):
        self.image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        self.names = []

    def read(self, name):
        return b"" if "bad" in name else cv2.imencode(".png", self.image[..., ::-1])[1].tobytes()


def face(x=80.0, estimated=False):
    eyes = np.array([[x, 100], [x + 50, 105]], np.float32)
    return Face(np.array([x - 20, 60, 90, 110], np.float32), 0.91, eyes, estimated)


def found(name, *faces, crops=None):
    return Finding(name, list(faces), [name] * (len(faces) if crops is None else crops), None)


def shows(sheet, picture):
    return cv2.matchTemplate(sheet, picture, cv2.TM_SQDIFF).min() == 0


def has_color(sheet, color):
    return bool((sheet == color).all(axis=2).any())


def test_shows_the_crops_that_were_written():
    photographs = Photographs()
    sheet = contact_sheet(photographs, [found("a.png", face(), face(120.0), crops=1)], title="Faces")
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (WIDTH, 3)
    assert shows(sheet, align(photographs.image, face().landmarks))
    assert not shows(sheet, align(photographs.image, face(120.0).landmarks))
    both = contact_sheet(photographs, [found("a.png", face(), face(120.0))], title="Faces")
    assert shows(both, align(photographs.image, face(120.0).landmarks))


def test_marks_estimated_eyes_and_unreadable_files():
    def orange_pixels(estimated):
        sheet = contact_sheet(Photographs(), [found("a.png", face(estimated=estimated))], title="Faces")
        return (sheet == ORANGE).all(axis=2).sum()

    assert orange_pixels(True) > orange_pixels(False) + 100
    missed = [Finding("bad.png", [], [], "damaged"), Finding("b.png", [], [], NO_FACE)]
    assert has_color(contact_sheet(Photographs(), missed, title="Faces"), RED)
    assert not has_color(contact_sheet(Photographs(), missed[1:], title="Faces"), RED)


@pytest.mark.parametrize(
    "name", ["$1$_{x^.png", "名前/写真.png", "x" * 300 + ".png", "\udcff.png", "حسن/\u200f.png", "\\"]
)
def test_any_name_is_drawn_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = contact_sheet(Photographs(), [found("a.png", face())], title="Faces")
        sheet = contact_sheet(Photographs(), [found(name, face())], title=name[:60].replace("\udcff", ""))
    assert sheet.shape == plain.shape


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 4000), (4000, 3)])
def test_photographs_of_any_shape(height, width):
    sheet = contact_sheet(Photographs(height, width), [found("a.png", face())], title="Faces")
    assert sheet.shape[0] < 1000


def test_many_photographs_and_crowds_are_sampled():
    photographs = Photographs(30, 30)
    as_many = contact_sheet(photographs, [found(f"{k}.png", face()) for k in range(MAX_FOUND)], title="Faces")
    more = contact_sheet(photographs, [found(f"{k}.png", face()) for k in range(3 * MAX_FOUND)], title="Faces")
    assert more.shape == as_many.shape
    crowd = contact_sheet(photographs, [found("a.png", *[face()] * MAX_FACES)], title="Faces")
    larger_crowd = contact_sheet(photographs, [found("a.png", *[face()] * (MAX_FACES + 40))], title="Faces")
    assert larger_crowd.shape == crowd.shape


def test_nothing_at_all():
    assert contact_sheet(Photographs(), [], title="Faces").shape[1] == WIDTH
