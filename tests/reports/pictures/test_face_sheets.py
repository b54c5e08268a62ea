import cv2
import numpy as np
import pytest

from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.order import random_uniforms
from seesaw_keras.data.records import Record, Source
from seesaw_keras.data.synthetic import SyntheticFaces
from seesaw_keras.data.views import Views, image_key
from seesaw_keras.reports.pictures.face_sheets import GAP, MARGIN, face_sheet, view_sheet


class Plain(Source):
    """One-colored images of given labels and sizes."""

    def __init__(self, labels, shape=(20, 20), folder=""):
        self._labels, self._shape, self._folder = labels, shape, folder

    def __len__(self):
        return len(self._labels)

    def _record(self, position):
        image = np.full((*self._shape, 3), (10 * position, 5, 200), np.uint8)
        data = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
        return Record(data, self._labels[position], f"{self._folder}{position}.png")


def cell(sheet, row, column, size):
    top, left = GAP + row * (size + GAP), MARGIN + column * (size + GAP)
    return sheet[top : top + size, left : left + size]


def test_each_picture_is_in_the_row_of_its_identity():
    faces = SyntheticFaces(3, 4, size=32)
    sheet = face_sheet(faces, identities=2, images=3, size=32)
    assert sheet.shape == (GAP + 2 * (32 + GAP), MARGIN + 3 * (32 + GAP), 3)
    for row in range(2):
        for column in range(3):
            assert (cell(sheet, row, column, 32) == faces.array(row * 4 + column)).all()


def test_identities_may_be_mixed_and_uneven():
    sheet = face_sheet(Plain([7, 3, 7, 9, 3, 7]), identities=2, images=2, size=20)
    assert [cell(sheet, row, column, 20)[0, 0, 0] for row, column in ((0, 0), (0, 1), (1, 0), (1, 1))] == [
        0,
        20,
        10,
        40,
    ]
    assert len(face_sheet(Plain([7, 3]), identities=9, images=9, size=20)) == GAP + 2 * (20 + GAP)


def test_pictures_keep_their_proportions():
    picture = cell(face_sheet(Plain([0], shape=(10, 40)), identities=1, images=1, size=40), 0, 0, 40)
    assert (picture[15:25] == (0, 5, 200)).all()
    assert (picture[:15] == 250).all() and (picture[25:] == 250).all()


def test_rows_are_titled_by_the_folder_or_the_label():
    def title(labels, folder):
        return face_sheet(Plain(labels, folder=folder), identities=1, images=1, size=20)[:, :MARGIN]

    assert title([3], "").min() < 120
    assert (title([3], "") == title([8], "3/")).all()
    assert (title([3], "") == title([3], "Жанна/")).all()
    assert (title([3], "") != title([4], "")).any()


@pytest.mark.parametrize("bad", ["identities", "images", "size"])
def test_numbers_below_one_are_refused(bad):
    with pytest.raises(ValueError, match=f"{bad} must be 1 or more"):
        face_sheet(Plain([0]), **{"identities": 1, "images": 1, "size": 20, bad: 0})


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="no images"):
        face_sheet(Plain([]), identities=1, images=1)


def test_views_as_the_teacher_sees_them_and_degraded_below():
    faces = SyntheticFaces(3, 2, size=32)
    sheet = view_sheet(faces, images=2, views=Views(3), size=32)
    assert sheet.shape == (4 + 4 * 36, 72 + 4 * 36, 3)
    cells = sheet[4:, 72:].reshape(4, 36, 4, 36, 3)[:, :32, :, :32].swapaxes(1, 2)
    for number, position in enumerate((0, 2)):
        record = faces[position]
        face = decode_image(record.image, name="")
        shown = [face, *(Views(3).render(face, image_key(record.image), view) for view in range(3))]
        np.testing.assert_array_equal(cells[2 * number], shown)
        degraded = [degrade(image, random_uniforms(0, view, position, UNIFORMS)) for view, image in enumerate(shown)]
        np.testing.assert_array_equal(cells[2 * number + 1], degraded)


@pytest.mark.parametrize("wrong", [{"images": 0}, {"size": 0}])
def test_a_sheet_of_no_views(wrong):
    with pytest.raises(ValueError, match="must be 1 or more, got 0"):
        view_sheet(SyntheticFaces(1, 1, size=32), **{"images": 1, "views": Views(2), **wrong})
