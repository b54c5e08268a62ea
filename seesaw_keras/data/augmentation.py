"""Changes to training images, each a function of the image and of four given random numbers.

>>> import numpy as np
>>> from seesaw_keras.data.augmentation import adjust, mirror
>>> from seesaw_keras.data.order import random_words
>>> words = random_words(seed=0, epoch=0, first=17, count=1)[0]
>>> adjust(mirror(np.zeros((112, 112, 3), np.uint8), words), words).shape
(112, 112, 3)
"""

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["adjust", "is_mirrored", "mirror"]

Image = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

BRIGHTNESS = 16.0  # grey levels up or down
CONTRAST = 0.125  # of the distance to mid-grey, more or less
SHIFT = 1 / 28  # of the side, 4 pixels of 112

_LEVELS = np.arange(256) - 127.5


def is_mirrored(words: Words) -> npt.NDArray[np.bool_]:
    """Says which images `mirror` mirrors, (...), for their random numbers, uint64 (..., 4)."""
    return words[..., 0] >> np.uint64(63) == 1


def mirror(image: Image, words: Words) -> Image:
    """Mirrors an image left to right if the first random number says so: one in two.

    Args:
        image: uint8 (height, width, 3).
        words: uint64 (4,), uniform, from `random_words`.

    Returns:
        The image or its mirror image.
    """
    return cv2.flip(image, 1) if is_mirrored(words) else image  # type: ignore[return-value]


def _uniform(word: int, bound: float) -> float:
    return (2 * (word / 2**64) - 1) * bound


def adjust(image: Image, words: Words) -> Image:
    """Changes brightness and contrast a little and shifts the image, its edge pixels repeated.

    Brightness moves by up to 16 of 255 grey levels and contrast by up to an eighth, both uniformly; the shift is a
    whole number of pixels, up to 1/28 of the side each way, all equally probable. Levels are clipped to 0 to 255.

    Args:
        image: uint8 (height, width, 3).
        words: uint64 (4,), uniform, from `random_words`.

    Returns:
        uint8, the shape of `image`.
    """
    _, brightness, contrast, place = (int(word) for word in words)
    levels = _LEVELS * (1 + _uniform(contrast, CONTRAST)) + 127.5 + _uniform(brightness, BRIGHTNESS)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    border = round(max(height, width) * SHIFT)
    wide = cv2.copyMakeBorder(cv2.LUT(image, table), border, border, border, border, cv2.BORDER_REPLICATE)
    top, left = ((half * (2 * border + 1)) >> 32 for half in divmod(place, 1 << 32))
    return wide[top : top + height, left : left + width]  # type: ignore[return-value]
