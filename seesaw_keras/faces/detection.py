"""Choice of the face detector, and of the main face in a photograph.

>>> import numpy as np
>>> from seesaw_keras.faces.detection import open_detector
>>> detector = open_detector()
>>> detector.detect(np.zeros((480, 640, 3), np.uint8))
[]
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seesaw_keras.faces.cascades import CascadeDetector
from seesaw_keras.faces.face import Face, FaceDetector
from seesaw_keras.faces.yunet import YuNetDetector

__all__ = ["main_face", "open_detector"]


def open_detector(yunet: str | Path | None = None) -> FaceDetector:
    """Opens the best detector for which a model is available.

    Args:
        yunet: a YuNet model file: five landmarks; finds small, turned and half hidden faces. None: the Haar cascades
            in OpenCV's wheel: frontal faces and their eyes only.

    Returns:
        The detector.

    Raises:
        FileNotFoundError: if there is no such model file.
        ValueError: if the file is not a YuNet model.
    """
    if yunet is None:
        return CascadeDetector()
    return YuNetDetector(yunet)


def main_face(faces: Sequence[Face], shape: tuple[int, ...]) -> int:
    """Returns the index of a photograph's main face: large and central, as in D. Sandberg's facenet alignment of LFW.

    Args:
        faces: one or more.
        shape: (height, width, ...) of the photograph.

    Returns:
        The index in `faces` of the one with the largest (area - 2 * squared distance from the center).

    Raises:
        ValueError: if `faces` is empty.
    """
    if not faces:
        raise ValueError("faces must not be empty")
    boxes = np.array([face.box for face in faces], np.float64)
    offset = boxes[:, :2] + boxes[:, 2:] / 2 - np.array(shape[1::-1]) / 2
    return int(np.argmax(boxes[:, 2] * boxes[:, 3] - 2 * (offset**2).sum(axis=1)))
