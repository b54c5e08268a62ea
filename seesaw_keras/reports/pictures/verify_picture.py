"""Image of a verification result: both aligned faces and their similarity relative to the threshold.

>>> import numpy as np
>>> from seesaw_keras.faces.embedder import VerifyResult
>>> from seesaw_keras.reports.pictures.verify_picture import verify_picture
>>> face = np.zeros((112, 112, 3), np.uint8)
>>> verify_picture(face, face, VerifyResult(True, 0.7, 0.35)).shape
(348, 496, 3)
"""

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.faces.embedder import VerifyResult
from seesaw_keras.inference.preprocessing import resize

__all__ = ["verify_picture"]

FACE, MARGIN = 224, 16  # pixels
BELOW = 92  # height of the scale and text below the faces
GREEN, RED, INK, GRAY, PAPER = (18, 150, 90), (200, 40, 40), (33, 37, 41), (190, 196, 202), (255, 255, 255)
SCALE = (-0.2, 1.0)  # range of cosines shown; different people are around 0


def verify_picture(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], result: VerifyResult
) -> npt.NDArray[np.uint8]:
    """Draws two aligned faces with the verification result.

    Args:
        first: uint8 RGB (side, side, 3).
        second: uint8 RGB (side, side, 3).
        result: the verification result.

    Returns:
        uint8 RGB (348, 496, 3).
    """
    width = 2 * FACE + 3 * MARGIN
    picture = np.full((FACE + 2 * MARGIN + BELOW, width, 3), PAPER, np.uint8)
    for number, crop in enumerate((first, second)):
        left = MARGIN + number * (FACE + MARGIN)
        face = resize(crop, (FACE, FACE), growing=cv2.INTER_CUBIC)
        picture[MARGIN : MARGIN + FACE, left : left + FACE] = face
    color = GREEN if result.is_match else RED
    bar = FACE + 2 * MARGIN + 14
    cv2.line(picture, (MARGIN, bar), (width - MARGIN, bar), GRAY, 4, cv2.LINE_AA)
    at = _place(result.threshold, width)
    cv2.line(picture, (at, bar - 12), (at, bar + 12), INK, 2, cv2.LINE_AA)
    cv2.circle(picture, (_place(result.similarity, width), bar), 9, color, -1, cv2.LINE_AA)
    sign = ">=" if result.is_match else "<"
    words = "same person" if result.is_match else "different people"
    _write(picture, words, bar + 40, 0.8, color)
    _write(picture, f"similarity {result.similarity:.4f} {sign} threshold {result.threshold:.4f}", bar + 66, 0.5, INK)
    return picture


def _place(cosine: float, width: int) -> int:
    share = (cosine - SCALE[0]) / (SCALE[1] - SCALE[0])
    return round(MARGIN + min(1.0, max(0.0, share)) * (width - 2 * MARGIN))


def _write(picture: npt.NDArray[np.uint8], words: str, below: int, scale: float, color: tuple[int, int, int]) -> None:
    cv2.putText(picture, words, (MARGIN, below), cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)
