"""A face in a photograph, and what finds one.

>>> import numpy as np
>>> from seesaw_keras.faces.face import checked
>>> checked(np.zeros((480, 640, 3), np.uint8)).shape
(480, 640, 3)
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Face", "FaceDetector", "checked"]


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
