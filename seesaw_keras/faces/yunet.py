"""YuNet (W. Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) through OpenCV's FaceDetectorYN.

>>> from seesaw_keras.faces.yunet import YuNetDetector
>>> detector = YuNetDetector("face_detection_yunet_2023mar.onnx")  # doctest: +SKIP
>>> faces = detector.detect(photograph)  # doctest: +SKIP
>>> faces[0].landmarks.shape  # doctest: +SKIP
(5, 2)
"""

import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.faces.alignment import TEMPLATE, TEMPLATE_SIZE, similarity_transform, warp
from seesaw_keras.faces.face import Face, check_image
from seesaw_keras.files import sha256_of
from seesaw_keras.inference.preprocessing import resize

__all__ = ["YuNetDetector"]

# YuNet finds faces of about 17 to 340 pixels (measured on scaled LFW images). Each pyramid level therefore shrinks by
# four and keeps only faces of 48 pixels or more: smaller ones were found one level below, with fewer false positives.
PYRAMID_STEP = 4
PYRAMID_MIN_FACE = 48
PYRAMID_STOP = 400  # pixels of the longer side at which no face is too large to be found
MAX_PIXELS = 4_000_000  # of the largest level: 0.3 GB, and half a second on one core
PADDED_SIDE = 32  # FaceDetectorYN pads smaller images

SUPPRESS_OVERLAP = 0.3  # intersection over union, the default of FaceDetectorYN
VOTE_OVERLAP = 0.5

# Refinement: each face is detected again, upright and at twice the template's scale, with half a template of margin.
REFINE_SCALE = 2.0
REFINE_SIZE = 288
REFINE_TOLERANCE = 0.25 * 35.2 * REFINE_SCALE  # landmark tolerance in pixels, 1/4 of the eye distance
MIRRORED = [1, 0, 2, 4, 3]

_BOX, _POINTS, _SCORE = slice(0, 4), slice(4, 14), 14  # columns of FaceDetectorYN's result


class YuNetDetector:
    """YuNet face detector with five landmarks, for faces from 17 pixels to the whole photograph.

    The network's own landmarks change with scale and shift: between an LFW image and its mirror image by 4.8% of the
    face's width. This detector averages them over all anchors that agree on a face, before non-maximum suppression,
    and over two more detections per face, upright and mirrored, which reduces the difference to 0.8%.

    Attributes:
        score_threshold: minimum score of a face.
        description: the detector, the model's sha256 and the threshold.
    """

    def __init__(self, model_file: str | Path, *, score_threshold: float = 0.7) -> None:
        """Opens the model.

        Args:
            model_file: YuNet as ONNX, from OpenCV's model zoo.
            score_threshold: minimum score of a face, above 0 and up to 1.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a YuNet model, or the threshold is out of range.
        """
        if not 0 < score_threshold <= 1:
            raise ValueError(f"score_threshold must be above 0 and at most 1, got {score_threshold}")
        if not Path(model_file).is_file():
            raise FileNotFoundError(
                f"{model_file}: no such YuNet model; face_detection_yunet_2023mar.onnx is in OpenCV's model zoo, "
                f"https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
            )
        self.score_threshold = score_threshold
        self._model = Path(model_file).read_bytes()
        self._thread_local = threading.local()
        try:
            self._candidates(np.zeros((32, 32, 3), np.uint8))
        except (cv2.error, IndexError) as error:
            raise ValueError(f"{model_file}: not a YuNet model that OpenCV can run; download it again") from error
        self.description = f"YuNet {sha256_of(model_file)}, score {score_threshold}"

    def detect(self, image: npt.NDArray[np.uint8]) -> list[Face]:
        """Detects faces.

        Args:
            image: uint8 (height, width, 3), RGB, of any size; above 4 megapixels it is scaled down for detection.

        Returns:
            The faces with five landmarks each, by decreasing score.

        Raises:
            ValueError: if the image has another type or shape, or no pixels.
        """
        bgr: npt.NDArray[np.uint8] = cv2.cvtColor(check_image(image), cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
        largest, *smaller = _pyramid(bgr.shape)
        levels = [self._at_scale(bgr, largest), *(self._at_scale(bgr, scale, PYRAMID_MIN_FACE) for scale in smaller)]
        found = _suppress(np.concatenate(levels))
        return [
            Face(
                row[_BOX].astype(np.float32),
                float(row[_SCORE]),
                self._refine_landmarks(bgr, row[_POINTS].reshape(5, 2)),
            )
            for row in found
        ]

    def _candidates(self, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Returns every anchor's face, (n, 15): a threshold of 1 disables FaceDetectorYN's own NMS."""
        network = getattr(self._thread_local, "network", None)
        if network is None:  # one per thread: the network keeps the input size and buffers of its last image
            model = np.frombuffer(self._model, np.uint8)
            network = cv2.FaceDetectorYN.create(
                "onnx", model, np.empty(0, np.uint8), (32, 32), self.score_threshold, 1.0
            )
            self._thread_local.network = network
        network.setInputSize((bgr.shape[1], bgr.shape[0]))
        rows = network.detect(bgr)[1]
        rows = np.zeros((0, 15)) if rows is None else rows.astype(np.float64)
        # Box sizes are exponentials of outputs; they overflow on images one pixel high.
        return rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]

    def _at_scale(self, bgr: npt.NDArray[np.uint8], scale: float, min_face: int = 0) -> npt.NDArray[np.float64]:
        height, width = (max(1, round(side * scale)) for side in bgr.shape[:2])
        rows = _vote(self._candidates(resize(bgr, (width, height))))
        rows = rows[rows[:, 2] >= min_face]
        ratio = np.array([bgr.shape[1] / width, bgr.shape[0] / height])
        rows[:, _BOX] *= np.tile(ratio, 2)
        rows[:, _POINTS] = (rows[:, _POINTS] + 0.5) * np.tile(ratio, 5) - 0.5
        return rows

    def _refine_landmarks(self, bgr: npt.NDArray[np.uint8], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Returns landmarks refined on the upright face: the mean over that crop and its mirror image."""
        expected = (TEMPLATE - TEMPLATE_SIZE / 2) * REFINE_SCALE + REFINE_SIZE / 2
        try:
            matrix = similarity_transform(points, expected)
        except ValueError:  # all landmarks at one point: the face cannot be aligned
            return points.astype(np.float32)
        upright = warp(bgr, matrix, REFINE_SIZE)
        refined = []
        for mirror in (False, True):
            rows = _vote(self._candidates(np.ascontiguousarray(upright[:, ::-1]) if mirror else upright))
            seen = rows[:, _POINTS].reshape(-1, 5, 2)
            if mirror:
                seen = seen[:, MIRRORED] * [-1, 1] + [REFINE_SIZE - 1, 0]
            distance = np.linalg.norm(seen - expected, axis=2).mean(axis=1)
            if distance.min(initial=np.inf) < REFINE_TOLERANCE:
                refined.append(seen[distance.argmin()])
        if not refined:
            return points.astype(np.float32)
        return cv2.transform(np.mean(refined, axis=0)[None], cv2.invertAffineTransform(matrix))[0].astype(np.float32)


def _pyramid(shape: tuple[int, ...]) -> list[float]:
    """Returns the scales at which to search an image of (height, width, ...), largest first."""
    padded = max(shape[0], PADDED_SIDE) * max(shape[1], PADDED_SIDE)
    scales = [min(1.0, (MAX_PIXELS / padded) ** 0.5)]
    while max(shape[:2]) * scales[-1] > PYRAMID_STOP:
        scales.append(scales[-1] / PYRAMID_STEP)
    return scales


def _overlap(box: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the intersection over union of a box with each of (n, 4)."""
    size = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    common = np.prod(np.maximum(size, 0), axis=1)
    return common / np.maximum(box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - common, 1e-9)


def _suppress(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Non-maximum suppression: keeps the highest-scoring of overlapping faces, by decreasing score."""
    rows = rows[np.argsort(-rows[:, _SCORE], kind="stable")]
    kept = []
    while len(rows):
        kept.append(rows[0])
        rows = rows[_overlap(rows[0, _BOX], rows[:, _BOX]) < SUPPRESS_OVERLAP]
    return np.array(kept).reshape(-1, 15)


def _vote(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Applies NMS and gives each kept face the score-weighted mean landmarks of all anchors that overlap it."""
    faces = _suppress(rows)
    for face in faces:
        agree = rows[_overlap(face[_BOX], rows[:, _BOX]) > VOTE_OVERLAP]
        face[_POINTS] = np.average(agree[:, _POINTS], axis=0, weights=agree[:, _SCORE])
    return faces
