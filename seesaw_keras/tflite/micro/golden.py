"""Procedural test images that the firmware regenerates to verify its embeddings.

>>> from seesaw_keras.tflite.micro.golden import golden_images
>>> golden_images(112, 112).shape
(4, 112, 112, 3)
"""

import numpy as np
import numpy.typing as npt

__all__ = ["golden_images"]


def golden_images(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Returns black, white, gradient and noise images, identical to those of `DrawGolden` in templates/golden.cc.

    Returns:
        uint8 RGB (4, height, width, 3).
    """
    y, x, channel = np.ogrid[:height, :width, :3]
    ramp = (2 * x + 3 * y + 64 * channel) % 256
    noise, state = [], 1
    for _ in range(height * width * 3):
        state = (1664525 * state + 1013904223) % 2**32  # Numerical Recipes, section 7.1
        noise.append(state >> 24)
    return np.stack([np.zeros_like(ramp), np.full_like(ramp, 255), ramp, np.reshape(noise, (height, width, 3))]).astype(
        np.uint8
    )
