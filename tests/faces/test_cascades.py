"""The rules about eyes, with stub cascades whose detections are set by the test."""

import numpy as np
import pytest

from seesaw_keras.faces.cascades import EYES, FACE_SIDE, MIN_NEIGHBORS_EYELESS, CascadeDetector

BOX = (100, 50, 96, 96)  # x, y, side, side: half of FACE_SIDE


class Faces:
    """A face cascade that finds `BOX`."""

    def __init__(self, neighbors):
        self.neighbors = neighbors

    def detectMultiScale2(self, image, *_, **__):  # noqa: N802
        return np.array([BOX]), np.array([self.neighbors])


class Eyes:
    """An eye cascade that finds the given centers, fractions of the face, in whichever window they lie."""

    def __init__(self, *centers):
        self.centers = centers

    def detectMultiScale(self, window, *_, **__):  # noqa: N802
        top, left = window[0, 0]  # pixel values encode coarse positions
        boxes = []
        for x, y in self.centers:
            column, row = x * FACE_SIDE - left, y * FACE_SIDE - top
            if 0 <= column < window.shape[1] and 0 <= row < window.shape[0]:
                boxes.append([round(column) - 20, round(row) - 20, 40, 40])
        return np.array(boxes) if boxes else ()


def detect(monkeypatch, *eye_cascades, neighbors=50):
    detector = CascadeDetector()
    monkeypatch.setattr(detector, "_cascades", lambda: (Faces(neighbors), *eye_cascades))
    monkeypatch.setattr(
        "seesaw_keras.faces.cascades.resize", lambda image, size: np.indices((size[1], size[0])).transpose(1, 2, 0)
    )
    monkeypatch.setattr("seesaw_keras.faces.cascades.cv2.equalizeHist", lambda image: image)
    return detector.detect(np.zeros((200, 300, 3), np.uint8))


def placed(*centers):
    return np.array(centers) * BOX[2] + BOX[:2]


def test_two_eyes_seen(monkeypatch):
    left, right = (0.33, 0.42), (0.70, 0.40)
    (face,) = detect(monkeypatch, Eyes(left, right))
    assert face.landmarks.shape == (2, 2) and not face.landmarks_estimated and face.score == 50
    np.testing.assert_allclose(face.landmarks, placed(left, right), atol=0.3)
    np.testing.assert_array_equal(face.box, BOX)


def test_cascades_are_averaged_and_the_nearest_counts(monkeypatch):
    (face,) = detect(monkeypatch, Eyes((0.30, 0.40), (0.68, 0.38), (0.31, 0.50)), Eyes((0.34, 0.40), (0.70, 0.40)))
    np.testing.assert_allclose(face.landmarks, placed((0.32, 0.40), (0.69, 0.39)), atol=0.3)
    assert not face.landmarks_estimated


def test_one_eye_seen_places_the_other(monkeypatch):
    shift = np.array([0.03, -0.02])
    for side in (0, 1):
        (face,) = detect(monkeypatch, Eyes(EYES[side] + shift))
        assert face.landmarks_estimated
        np.testing.assert_allclose(face.landmarks, placed(*(EYES + shift)), atol=0.3)


@pytest.mark.parametrize(
    "eyes",
    [
        (),
        ((0.31, 0.60),),  # a nostril
        ((0.43, 0.39), (0.56, 0.39)),  # too near each other
        ((0.33, 0.30), (0.66, 0.47)),  # steeper than 25 degrees
    ],
)
def test_implausible_eyes_are_estimated(monkeypatch, eyes):
    (face,) = detect(monkeypatch, Eyes(*eyes))
    assert face.landmarks_estimated
    np.testing.assert_allclose(face.landmarks, placed(*EYES), atol=1e-3)


def test_few_windows_and_no_eyes_are_no_face(monkeypatch):
    assert detect(monkeypatch, Eyes(), neighbors=MIN_NEIGHBORS_EYELESS - 1) == []
    assert len(detect(monkeypatch, Eyes(), neighbors=MIN_NEIGHBORS_EYELESS)) == 1
    assert len(detect(monkeypatch, Eyes(*EYES), neighbors=3)) == 1


@pytest.mark.parametrize("shape", [(480, 640), (1, 1), (1, 3000), (2000, 1700)])
def test_real_cascades_find_nothing_in_nothing(shape):
    assert CascadeDetector().detect(np.full((*shape, 3), 128, np.uint8)) == []


def test_description_names_cascades():
    assert "frontalface_alt2" in CascadeDetector().description
