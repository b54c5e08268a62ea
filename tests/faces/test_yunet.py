"""YuNet's frame: pyramid, votes and second look, around a network that sees white rectangles."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from seesaw_keras.faces import yunet
from seesaw_keras.faces.yunet import MIRRORED, YuNetDetector

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
# Scores and horizontal errors in pixels: the surest anchor errs one way, the others together as much the other way.
ANCHORS = ((0.9, -2.0), (0.8, 1.0), (0.8, 1.25))


class Network:
    """Stands in for cv2.FaceDetectorYN: some anchors a rectangle, sizes of 17 to 340 pixels only."""

    def __init__(self, boxes):
        self.boxes, self.anchors = boxes, ANCHORS

    def create(self, kind, model, config, size, score_threshold, nms_threshold):
        assert (kind, bytes(model), nms_threshold) == ("onnx", b"model", 1.0)
        network = Network(self.boxes)
        network.anchors = self.anchors
        return network

    def setInputSize(self, size):  # noqa: N802
        self.size = size

    def detect(self, image):
        assert self.size == image.shape[1::-1]
        rows = []
        for box in self.boxes(image):
            if 17 <= box[2] <= 340:
                for score, error in self.anchors:
                    points = POINTS * box[2:] + box[:2] + np.array([error - 0.5, -0.5])  # pixel centers
                    rows.append([*box, *points.ravel(), score])
        return 1, np.array(rows, np.float32) if rows else None


@pytest.fixture
def network(rectangles, monkeypatch):
    network = Network(rectangles.boxes)
    monkeypatch.setattr(cv2, "FaceDetectorYN", network)
    return network


@pytest.fixture
def detector(tmp_path, network):
    (tmp_path / "model.onnx").write_bytes(b"model")
    return YuNetDetector(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((200, 300), (100, 40, 60, 80)),
        ((1000, 1600), (300, 200, 600, 700)),  # too large for the first level
        ((2000, 3000), (1300, 700, 80, 100)),  # six megapixels: the first level is scaled down
        ((3000, 3000), (200, 100, 2500, 2800)),
    ],
)
def test_faces_of_all_sizes_are_mapped_back(detector, picture, shape, box):
    (face,) = detector.detect(picture(*shape, box))
    truth = np.array(box)
    tolerance = 0.02 * box[2] + 1
    np.testing.assert_allclose(face.box, truth, atol=tolerance)
    np.testing.assert_allclose(face.landmarks, POINTS * truth[2:] + truth[:2] - 0.5, atol=tolerance)
    assert face.landmarks.dtype == face.box.dtype == np.float32
    assert face.score == pytest.approx(0.9)
    assert not face.landmarks_estimated


def test_a_face_on_several_levels_is_one(detector, picture):
    image = picture(900, 1400, (100, 100, 250, 300), (900, 300, 30, 40))
    assert sorted(round(float(face.box[2])) for face in detector.detect(image)) == [30, 250]


def test_no_face(detector):
    assert detector.detect(np.zeros((50, 70, 3), np.uint8)) == []
    assert detector.detect(np.zeros((1, 1, 3), np.uint8)) == []


def test_votes_are_means_weighted_by_score():
    def row(x, y, score):
        return np.array([x, 10, 40, 40, *np.full(10, y), score], np.float64)

    rows = np.stack([row(10, 1.0, 0.9), row(12, 4.0, 0.6), row(200, 7.0, 0.8)])
    voted = yunet._vote(rows)
    assert voted[:, 14].tolist() == [0.9, 0.8]
    np.testing.assert_allclose(voted[0, 4:14], (0.9 * 1 + 0.6 * 4) / 1.5)
    np.testing.assert_allclose(voted[1, 4:14], 7)
    assert yunet._vote(np.zeros((0, 15))).shape == (0, 15)


def test_overlap():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5], [0, 0, 5, 5]], np.float64)
    np.testing.assert_allclose(yunet._overlap(boxes[0], boxes), [1, 50 / 150, 0, 25 / 100])


def test_pyramid():
    assert yunet._pyramid((100, 400)) == [1]
    assert yunet._pyramid((1000, 1500)) == [1, 1 / 4]
    assert yunet._pyramid((1, 1_000_000))[0] == pytest.approx((4e6 / 32e6) ** 0.5), "padded to 32 rows"
    scales = yunet._pyramid((12000, 10000))
    assert scales[0] == pytest.approx((4e6 / 120e6) ** 0.5)
    assert 12000 * scales[-1] <= 400 < 12000 * scales[-2]


def test_mirrored_landmarks_change_sides():
    assert [MIRRORED[k] for k in MIRRORED] == list(range(5))
    mirrored = POINTS[MIRRORED] * [-1, 1] + [1, 0]
    np.testing.assert_allclose(mirrored, POINTS)


def test_second_look_cancels_what_mirroring_turns_round(tmp_path, network, picture):
    network.anchors = ((0.9, 3.0),)  # always three pixels to the right, in the mirror image as well
    (tmp_path / "model.onnx").write_bytes(b"model")
    (face,) = YuNetDetector(tmp_path / "model.onnx").detect(picture(200, 300, (100, 40, 60, 80)))
    np.testing.assert_allclose(face.landmarks, POINTS * [60, 80] + [99.5, 39.5], atol=0.6)


def test_a_second_look_that_sees_nothing_changes_nothing(detector, monkeypatch, picture):
    monkeypatch.setattr(yunet, "warp", lambda image, matrix, size: np.zeros((size, size, 3), np.uint8))
    (face,) = detector.detect(picture(200, 300, (100, 40, 60, 80)))
    mean_error = (0.9 * -2 + 0.8 * 1 + 0.8 * 1.25) / 2.5
    np.testing.assert_allclose(face.landmarks, POINTS * [60, 80] + [99.5 + mean_error, 39.5], atol=1e-3)


def test_infinite_sizes_are_dropped(detector, monkeypatch):
    rows = np.full((2, 15), np.inf, np.float32)
    rows[1] = np.nan
    monkeypatch.setattr(Network, "detect", lambda self, image: (1, rows))
    assert detector.detect(np.zeros((50, 50, 3), np.uint8)) == []


def test_threads_have_networks_of_their_own(detector, picture):
    images = [picture(200, 300 + 8 * k, (100, 40, 60 + k, 80)) for k in range(16)]
    with ThreadPoolExecutor(4) as pool:
        widths = [faces[0].box[2] for faces in pool.map(detector.detect, images)]
    np.testing.assert_allclose(widths, [60 + k for k in range(16)])


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_threshold_out_of_range(threshold):
    with pytest.raises(ValueError, match="score_threshold"):
        YuNetDetector("model.onnx", score_threshold=threshold)
