"""Image degradations for the student's input: effects of cameras, distance, light and codecs.

>>> import numpy as np
>>> from seesaw_keras.data.degradation import UNIFORMS, degrade
>>> face = np.full((112, 112, 3), 128, np.uint8)
>>> degrade(face, np.random.RandomState(0).uniform(size=UNIFORMS)).shape
(112, 112, 3)

The teacher sees the undegraded view, so the student becomes robust to the degradation. Each kind is applied to a
degraded image with its own probability, and at least one is. Kinds are applied in the order of light, lens, sensor and
codec: cover, border, gray, exposure, blur, resolution, noise, JPEG.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "UNIFORMS", "degrade"]

Image = npt.NDArray[np.uint8]
Uniforms = npt.NDArray[np.float64]

PARAMETERS = 5  # number of uniform values available to each kind

MIN_WIDTH, MAX_WIDTH = 20, 56  # pixels, for a side of 112, to which a face is downscaled
MIN_SIGMA, MAX_SIGMA = 0.6, 3.0  # Gaussian blur, in pixels for a side of 112
MIN_NOISE, MAX_NOISE = 2.0, 25.0  # standard deviation, gray levels
MIN_QUALITY, MAX_QUALITY = 20, 90  # JPEG
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 0.12, 1.6  # factors, log-uniform
MAX_LOG_CONTRAST = 0.5  # natural logarithm, in either direction
MAX_LOG_GAMMA = 0.6
MIN_COVER, MAX_COVER = 0.2, 0.5  # sides of a covered rectangle, as a fraction of the image's
MAX_BORDER = 0.2  # of the side

_NOISE_SIDE = 256
# A fixed table of standard normal numbers, read at random offsets: drawing 37,632 of them per image takes longer than
# all other degradations together.
_NOISE = np.random.RandomState(0).standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3)).astype(np.float32)
_LEVELS = np.arange(256) / 255


def _between(low: float, high: float, uniform: float) -> float:
    return low + (high - low) * uniform


def _log_between(low: float, high: float, uniform: float) -> float:
    return float(np.exp(_between(np.log(low), np.log(high), uniform)))


def _cover(image: Image, u: Uniforms) -> Image:
    """Covers a rectangle with one gray level; one in three covers the lower part of the face, like a mask."""
    side = image.shape[0]
    if u[0] < 1 / 3:
        top, left, bottom, right = round(side * _between(0.5, 0.7, u[1])), 0, side, side
    else:
        height, width = (max(round(side * _between(MIN_COVER, MAX_COVER, x)), 1) for x in u[1:3])
        top, left = int((side - height + 1) * u[3]), int((side - width + 1) * (3 * u[0] - 1) / 2)
        bottom, right = top + height, left + width
    covered = image.copy()
    covered[top:bottom, left:right] = int(256 * u[4])
    return covered


def _border(image: Image, u: Uniforms) -> Image:
    """Blackens up to a fifth of the image at each edge, as if an aligned crop extended beyond its photograph."""
    side = image.shape[0]
    top, bottom, left, right = (int(MAX_BORDER * side * x * x) for x in u[:4])
    black = np.zeros_like(image)
    inside = slice(top, side - bottom), slice(left, side - right)
    black[inside] = image[inside]
    return black


def _gray(image: Image, _u: Uniforms) -> Image:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def _expose(image: Image, u: Uniforms) -> Image:
    """Applies gamma, contrast about the middle level, then brightness."""
    levels = _LEVELS ** np.exp(MAX_LOG_GAMMA * (2 * u[0] - 1))
    levels = 0.5 + (levels - 0.5) * np.exp(MAX_LOG_CONTRAST * (2 * u[1] - 1))
    levels = levels.clip(0, 1) * _log_between(MIN_BRIGHTNESS, MAX_BRIGHTNESS, u[2])
    return cv2.LUT(image, np.rint(levels.clip(0, 1) * 255).astype(np.uint8))  # type: ignore[return-value]


def _blur(image: Image, u: Uniforms) -> Image:
    sigma = _between(MIN_SIGMA, MAX_SIGMA, u[0]) * image.shape[0] / 112
    return cv2.GaussianBlur(image, (0, 0), sigma)  # type: ignore[return-value]


def _downscale(image: Image, u: Uniforms) -> Image:
    """Reduces the resolution and upscales the result to the original size."""
    side = image.shape[0]
    small = max(round(_log_between(MIN_WIDTH, MAX_WIDTH, u[0]) * side / 112), 1)
    reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    back = cv2.INTER_CUBIC if u[1] < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(reduced, (side, side), interpolation=back)  # type: ignore[return-value]


def _noise(image: Image, u: Uniforms) -> Image:
    side = image.shape[0]
    rows, columns = ((np.arange(side) + int(_NOISE_SIDE * x)) % _NOISE_SIDE for x in u[:2])
    noise = _NOISE[rows[:, None], columns] * np.float32(_log_between(MIN_NOISE, MAX_NOISE, u[2]))
    return np.rint(image + noise).clip(0, 255).astype(np.uint8)


def _jpeg(image: Image, u: Uniforms) -> Image:
    quality = [cv2.IMWRITE_JPEG_QUALITY, round(_between(MIN_QUALITY, MAX_QUALITY, u[0]))]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], quality)
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])  # type: ignore[index]


class Degradation(NamedTuple):
    """One kind of degradation.

    Attributes:
        name: name in sheets and tables.
        probability: probability that it is applied to a degraded image.
        apply: maps a uint8 image (side, side, 3) and `PARAMETERS` uniform numbers to an image of the same shape.
    """

    name: str
    probability: float
    apply: Callable[[Image, Uniforms], Image]


KINDS: Sequence[Degradation] = (
    Degradation("cover", 0.2, _cover),
    Degradation("border", 0.1, _border),
    Degradation("gray", 0.1, _gray),
    Degradation("exposure", 0.35, _expose),
    Degradation("blur", 0.2, _blur),
    Degradation("resolution", 0.3, _downscale),
    Degradation("noise", 0.2, _noise),
    Degradation("JPEG", 0.25, _jpeg),
)
UNIFORMS = 1 + len(KINDS) * (1 + PARAMETERS)


def degrade(image: Image, uniforms: Uniforms) -> Image:
    """Applies at least one kind of degradation to an image, chosen by the given random numbers.

    Args:
        image: uint8 RGB (side, side, 3).
        uniforms: float64 (UNIFORMS,) in [0, 1).

    Returns:
        uint8 RGB (side, side, 3).
    """
    table = uniforms[1:].reshape(len(KINDS), 1 + PARAMETERS)
    chosen = table[:, 0] < [kind.probability for kind in KINDS]
    if not chosen.any():
        chosen[int(uniforms[0] * len(KINDS))] = True
    for kind, is_chosen, row in zip(KINDS, chosen, table, strict=True):
        if is_chosen:
            image = kind.apply(image, row[1:])
    return image
