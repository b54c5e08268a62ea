"""Camera effects: exposure, blur, low resolution, noise, compression.

>>> from seesaw_keras.data.synthetic.drawing.camera import apply_camera
>>> from seesaw_keras.data.synthetic.drawing.conditions import Camera
>>> from seesaw_keras.data.synthetic.stable_rng import StableRng
>>> import numpy as np
>>> apply_camera(np.full((3, 32, 32), 300.0, np.float32), Camera(), StableRng(1), scale=1.0).max()
np.uint8(255)
"""

from functools import lru_cache

import cv2
import numpy as np

from seesaw_keras.data.synthetic.drawing.conditions import Camera
from seesaw_keras.data.synthetic.stable_rng import StableRng

__all__ = ["apply_camera"]

NOISE_STEPS = 16  # quantization steps of the noise's standard deviation
MAX_NOISE = 16.0  # standard deviation in gray levels at the last step


@lru_cache(maxsize=NOISE_STEPS + 1)
def _noise_table(step: int) -> np.ndarray:
    """Returns 256 Gaussian quantiles, scaled to the deviation of that step, as int16 gray levels."""
    deviation = step * MAX_NOISE / NOISE_STEPS
    # Winitzki's closed form of the inverse error function; within 0.5% of the quantiles.
    u = (np.arange(256) + 0.5) / 128 - 1.0
    log = np.log(1.0 - u * u)
    part = 2 / (np.pi * 0.147) + log / 2
    quantiles = np.sign(u) * np.sqrt(2.0) * np.sqrt(np.sqrt(part * part - log / 0.147) - part)
    return np.rint(quantiles * deviation).astype(np.int16)


def apply_camera(light: np.ndarray, camera: Camera, rng: StableRng, *, scale: float) -> np.ndarray:
    """Applies the camera effects to a lit scene.

    Args:
        light: float32 (3, size, size), gray levels; overwritten.
        camera: the effects to apply.
        rng: source of the noise.
        scale: image pixels per template pixel.

    Returns:
        uint8 RGB (size, size, 3).
    """
    gray = light[0] * np.float32(0.3) + light[1] * np.float32(0.59) + light[2] * np.float32(0.11)
    gray *= np.float32(camera.exposure * (1.0 - camera.saturation))
    gray += np.float32(0.5)  # for rounding
    light *= np.float32(camera.exposure * camera.saturation)
    light += gray
    np.maximum(light, np.float32(0.0), out=light)
    np.minimum(light, np.float32(255.0), out=light)
    red, green, blue = light.astype(np.uint8)
    picture = cv2.merge((blue, green, red))  # BGR, as OpenCV expects for JPEG encoding
    tones = ((np.arange(256) / 255.0) ** camera.gamma - 0.5) * camera.contrast + 0.5
    picture = cv2.LUT(picture, np.rint(np.clip(tones, 0.0, 1.0) * 255.0).astype(np.uint8))
    picture = _soften(picture, camera, scale)
    if camera.noise:
        table = _noise_table(round(camera.noise / MAX_NOISE * NOISE_STEPS))
        noise = cv2.LUT(rng.bytes(picture.size).reshape(picture.shape), table)
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U)
    if camera.jpeg:
        _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, camera.jpeg))
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _soften(picture: np.ndarray, camera: Camera, scale: float) -> np.ndarray:
    """Applies Gaussian blur, motion blur and reduced resolution."""
    size = len(picture)
    deviation = camera.blur * scale
    if deviation > 0.25:
        reach = 2 * int(2.5 * deviation + 0.5) + 1
        picture = cv2.GaussianBlur(picture, (reach, reach), deviation)
    length = round(camera.motion * scale)
    if length >= 2:
        picture = cv2.blur(picture, (1, length) if camera.motion_upright else (length, 1))
    if camera.resolution < 1.0:
        small = max(1, round(size * camera.resolution))
        picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)
    return picture
