"""What a face detector is, which one to use, and which of several faces a photograph is about.

>>> import numpy as np
>>> from seesaw_keras.faces.detection import open_detector
>>> detector = open_detector()
>>> detector.detect(np.zeros((480, 640, 3), np.uint8))
[]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Face", "FaceDetector", "checked", "main_face", "open_detector"]


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photograph; everything in pixels of the photograph, x to the right and y down.

    Attributes:
        box: float32 (4,): x, y of the upper left corner, width, height. May reach beyond the photograph.
        score: the detector's confidence; higher is surer, comparable between faces of one detector only.
        landmarks: float32 (5, 2) in the order of `alignment.TEMPLATE`, or (2, 2): the eyes, the left one in the picture
            first.
        landmarks_estimated: whether landmarks were placed where such a box has them on average, not seen.
    """

    box: npt.NDArray[np.float32]
    score: float
    landmarks: npt.NDArray[np.float32]
    landmarks_estimated: bool = False


class FaceDetector(Protocol):
    """Finds faces. Detectors here may be shared by threads.

    Attributes:
        description: which detector it is, with all settings that change what it finds.
    """

    description: str

    def detect(self, image: npt.NDArray[np.uint8]) -> list[Face]:
        """Returns the faces of a uint8 (height, width, 3) RGB image, the surest first; raises ValueError for others."""


def checked(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the image, contiguous, or raises a ValueError unless it is uint8 (height, width, 3) with pixels in it."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be uint8 (height, width, 3), not {image.dtype} {image.shape}")
    if image.size == 0:
        raise ValueError(f"an image must have pixels, not {image.shape[1]} x {image.shape[0]}")
    return np.ascontiguousarray(image)


def open_detector(yunet: str | Path | None = None) -> FaceDetector:
    """Opens the best detector there is a model for.

    Args:
        yunet: a YuNet model file: five landmarks, small, turned and half hidden faces. None: the Haar cascades inside
            of OpenCV's wheel: frontal faces and their eyes only.

    Returns:
        The detector.

    Raises:
        FileNotFoundError: if there is no such model file.
        ValueError: if the file is not a YuNet model.
    """
    if yunet is None:
        from seesaw_keras.faces.cascades import CascadeDetector

        return CascadeDetector()
    from seesaw_keras.faces.yunet import YuNetDetector

    return YuNetDetector(yunet)


def main_face(faces: Sequence[Face], shape: tuple[int, ...]) -> int:
    """Chooses the face that a photograph is about: large and central, as D. Sandberg's facenet aligned LFW.

    Args:
        faces: one or more.
        shape: (height, width, ...) of the photograph.

    Returns:
        The position in `faces` of the one with the largest (area - 2 * squared distance from the centre).

    Raises:
        ValueError: if there are no faces.
    """
    if not faces:
        raise ValueError("no faces to choose from")
    boxes = np.array([face.box for face in faces], np.float64)
    offset = boxes[:, :2] + boxes[:, 2:] / 2 - np.array(shape[1::-1]) / 2
    return int(np.argmax(boxes[:, 2] * boxes[:, 3] - 2 * (offset**2).sum(axis=1)))
