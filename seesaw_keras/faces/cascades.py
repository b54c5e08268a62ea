"""Face and eye detection with the Haar cascades in OpenCV's wheel (Viola and Jones, 2001): no model file needed.

>>> from seesaw_keras.faces.cascades import CascadeDetector
>>> faces = CascadeDetector().detect(photograph)  # doctest: +SKIP
>>> faces[0].landmarks.shape, faces[0].landmarks_estimated  # doctest: +SKIP
((2, 2), False)
"""

import threading

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.faces.face import Face, check_image
from seesaw_keras.inference.preprocessing import resize

__all__ = ["CascadeDetector"]

FACE_CASCADE = "frontalface_alt2"  # the only one of the four frontal cascades that misses none of 191 LFW images
EYE_CASCADES = ("eye", "eye_tree_eyeglasses")

MAX_SIDE = 1600  # larger photographs are scaled down for detection: the time is proportional to the number of pixels
SCALE_STEP = 1.1
MIN_FACE = 30  # pixels, after scaling
MIN_NEIGHBORS = 3
# If an eye is not detected: of 13 such boxes below this, in the 191 images and five photographs, 8 were not faces.
MIN_NEIGHBORS_EYELESS = 8

# Eyes are searched in the face box, scaled to this side. Positions and distances below are fractions of the box,
# medians of YuNet's landmarks in the boxes of `FACE_CASCADE` on 191 LFW images; minima and maxima have a wide margin.
FACE_SIDE = 192
EYES = np.array([[0.307, 0.390], [0.684, 0.383]])
EYE_WINDOW = 0.26  # half the side of the square around `EYES` to search, large enough for a head tilted by 20 degrees
EYE_SIZE = (0.14, 0.45)
EYE_STEP = 1.05
EYE_NEIGHBORS = 2
EYE_TOLERANCE = 0.13  # maximum distance of an eye from its expected position
EYE_DISTANCE = (0.26, 0.50)
MAX_TILT = 25.0  # degrees of the line through the eyes


def _load(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml")  # type: ignore[attr-defined]


class CascadeDetector:
    """Haar cascade detector for frontal, roughly upright faces, with two eye landmarks each.

    An eye that is not detected is placed at its average position in the box, and the face is marked as estimated. The
    score is the number of overlapping windows that agreed.

    Attributes:
        description: the cascades and the OpenCV version they come with.
    """

    def __init__(self) -> None:
        self._thread_local = threading.local()
        self.description = f"Haar cascades {FACE_CASCADE}, {', '.join(EYE_CASCADES)} of OpenCV {cv2.__version__}"

    def detect(self, image: npt.NDArray[np.uint8]) -> list[Face]:
        """Detects faces.

        Args:
            image: uint8 (height, width, 3), RGB, of any size; with a side above 1600 it is scaled down for detection.

        Returns:
            The faces with two landmarks each, by decreasing score.

        Raises:
            ValueError: if the image has another type or shape, or no pixels.
        """
        gray: npt.NDArray[np.uint8] = cv2.cvtColor(check_image(image), cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        scale = min(1.0, MAX_SIDE / max(gray.shape))
        width, height = (max(1, round(side * scale)) for side in gray.shape[::-1])
        boxes, neighbors = self._cascades()[0].detectMultiScale2(
            cv2.equalizeHist(resize(gray, (width, height))), SCALE_STEP, MIN_NEIGHBORS, minSize=(MIN_FACE, MIN_FACE)
        )
        faces = []
        for k in np.argsort(-np.asarray(neighbors), kind="stable"):
            x, y, side = (int(value / scale) for value in boxes[k][:3])
            eyes, estimated = self._eyes(gray[y : y + side, x : x + side])
            if estimated and neighbors[k] < MIN_NEIGHBORS_EYELESS:
                continue
            landmarks = (eyes * side + [x, y]).astype(np.float32)
            faces.append(Face(np.array([x, y, side, side], np.float32), float(neighbors[k]), landmarks, estimated))
        return faces

    def _cascades(self) -> tuple[cv2.CascadeClassifier, ...]:
        if not hasattr(self._thread_local, "cascades"):  # one set per thread: a cascade holds the image it works on
            self._thread_local.cascades = tuple(_load(name) for name in (FACE_CASCADE, *EYE_CASCADES))
        return self._thread_local.cascades

    def _eyes(self, face: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], bool]:
        """Returns the eyes as fractions of the box, (2, 2), and whether either is estimated."""
        face = resize(face, (FACE_SIDE, FACE_SIDE))
        left, right = (self._eye(face, expected) for expected in EYES)
        if left is None and right is None:
            return EYES, True
        if left is None:
            return np.array([right - EYES[1] + EYES[0], right]), True
        if right is None:
            return np.array([left, left - EYES[0] + EYES[1]]), True
        across, down = right - left
        plausible = EYE_DISTANCE[0] <= np.hypot(across, down) <= EYE_DISTANCE[1]
        if plausible and abs(np.degrees(np.arctan2(down, across))) <= MAX_TILT:
            return np.array([left, right]), False
        return EYES, True

    def _eye(self, face: npt.NDArray[np.uint8], expected: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
        """Returns the mean over cascades of each one's nearest plausible eye, or None if no cascade finds one."""
        left, top = (max(0, round((value - EYE_WINDOW) * FACE_SIDE)) for value in expected)
        right, bottom = (round((value + EYE_WINDOW) * FACE_SIDE) for value in expected)
        window = face[top:bottom, left:right]
        smallest, largest = (int(size * FACE_SIDE) for size in EYE_SIZE)
        seen = []
        for cascade in self._cascades()[1:]:
            found = cascade.detectMultiScale(
                window, EYE_STEP, EYE_NEIGHBORS, minSize=(smallest, smallest), maxSize=(largest, largest)
            )
            boxes = np.array(found, np.float64).reshape(-1, 4)
            centers = (boxes[:, :2] + boxes[:, 2:] / 2 + [left, top]) / FACE_SIDE
            distance = np.linalg.norm(centers - expected, axis=1)
            if distance.min(initial=np.inf) <= EYE_TOLERANCE:
                seen.append(centers[distance.argmin()])
        return np.mean(seen, axis=0) if seen else None
