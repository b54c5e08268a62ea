"""The `Face` data class and the `FaceDetector` interface.

>>> import numpy as np
>>> from seesaw_keras.faces.face import check_image
>>> check_image(np.zeros((480, 640, 3), np.uint8)).shape
(480, 640, 3)
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Face", "FaceDetector", "check_image"]


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photograph; all coordinates in pixels of the photograph, x to the right and y down.

    Attributes:
        box: float32 (4,): x, y of the upper left corner, width, height. May extend beyond the photograph.
        score: the detector's confidence; higher is better, comparable only between faces of one detector.
        landmarks: float32 (5, 2) in the order of `alignment.TEMPLATE`, or (2, 2): the eyes, the left one in the picture
            first.
        landmarks_estimated: whether landmarks are average positions within the box instead of detected ones.
    """

    box: npt.NDArray[np.float32]
    score: float
    landmarks: npt.NDArray[np.float32]
    landmarks_estimated: bool = False


class FaceDetector(Protocol):
    """Face detector interface. The detectors in this package are thread-safe.

    Attributes:
        description: name of the detector, with all settings that affect its results.
    """

    description: str

    def detect(self, image: npt.NDArray[np.uint8]) -> list[Face]:
        """Returns the faces in a uint8 (height, width, 3) RGB image, best first; raises ValueError for other arrays."""


def check_image(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the image as a contiguous array; raises ValueError unless it is a non-empty uint8 (height, width, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
    if image.size == 0:
        raise ValueError(f"an image must have pixels, got {image.shape[1]} x {image.shape[0]}")
    return np.ascontiguousarray(image)
