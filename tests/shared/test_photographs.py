"""Real photographs: ../shared/photos, found and aligned with YuNet and with the built-in cascades."""

from pathlib import Path

import numpy as np
import pytest

from seesaw_keras.data import decode_image
from seesaw_keras.faces import TEMPLATE, align, main_face, open_detector

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
PHOTOS = SHARED / "photos"
YUNET = SHARED / "peers" / "face_detection_yunet_2023mar.onnx"
LISTED = {  # README.md there
    "deepface_couple.jpg": 2,
    "friends.jpg": 2,
    "meeting.jpg": 5,
    "solvay_scientists.jpg": 29,
    "uniface_test.jpg": 25,
}


@pytest.fixture(scope="module")
def yunet():
    return open_detector(YUNET)


@pytest.fixture(scope="module")
def lfw():
    return [decode_image(path.read_bytes(), name=path.name) for path in sorted((PHOTOS / "lfw_raw").glob("*/*.jpg"))]


def eye_errors(images, detector, judge):
    """Returns pixels (n, 2) between the template's eyes and those the judge sees in the aligned crops."""
    errors = []
    for image in images:
        faces = detector.detect(image)
        again = []
        if faces:
            crop = align(image, faces[main_face(faces, image.shape)].landmarks)
            again = judge.detect(crop)
        if not again:
            errors.append([np.inf, np.inf])
            continue
        eyes = again[main_face(again, crop.shape)].landmarks[:2]
        errors.append(np.linalg.norm(eyes - TEMPLATE[:2], axis=1))
    return np.array(errors)


@pytest.mark.parametrize(("name", "faces"), LISTED.items())
def test_yunet_finds_what_is_listed(yunet, name, faces):
    found = yunet.detect(decode_image((PHOTOS / name).read_bytes(), name=name))
    assert len(found) >= faces
    assert all(face.landmarks.shape == (5, 2) and face.score >= 0.7 for face in found)


@pytest.mark.slow
def test_yunet_aligns_eyes_to_three_pixels(yunet, lfw):
    assert len(lfw) == 191
    errors = eye_errors(lfw, yunet, yunet)
    assert np.mean(errors.mean(axis=1) <= 3) >= 0.95
    assert np.mean(errors.max(axis=1) <= 3) >= 0.88, "the worse eye of each picture"


@pytest.mark.slow
def test_cascades_align_eyes_to_seven_pixels(yunet, lfw):
    errors = eye_errors(lfw, open_detector(), yunet)
    assert np.mean(errors.mean(axis=1) <= 7) >= 0.80
    assert np.mean(errors.max(axis=1) <= 7) >= 0.95, "the worse eye of each picture"


def test_landmarks_hardly_depend_on_mirroring(yunet, lfw):
    """The network's own differ by 4.8% of the face's width between a picture and its mirror image."""
    differences = []
    for image in lfw[::6]:
        face, mirrored = (
            faces[main_face(faces, image.shape)]
            for faces in (yunet.detect(image), yunet.detect(np.ascontiguousarray(image[:, ::-1])))
        )
        turned = mirrored.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [image.shape[1] - 1, 0]
        differences.append(np.linalg.norm(face.landmarks - turned, axis=1).mean() / face.box[2])
    assert np.mean(differences) < 0.011
