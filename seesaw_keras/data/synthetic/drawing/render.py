"""Rendering of a synthetic identity's image.

>>> from seesaw_keras.data.synthetic.drawing.render import synthetic_face
>>> synthetic_face(3, 0).shape
(112, 112, 3)
"""

import cv2
import numpy as np

from seesaw_keras.data.synthetic.drawing.camera import apply_camera
from seesaw_keras.data.synthetic.drawing.conditions import BACKDROP_CELLS, Conditions, sample_conditions
from seesaw_keras.data.synthetic.drawing.covers import draw_cover
from seesaw_keras.data.synthetic.drawing.features import draw_ear, draw_face, draw_glasses, draw_head, draw_neck
from seesaw_keras.data.synthetic.drawing.hair import draw_back_hair, draw_front_hair
from seesaw_keras.data.synthetic.drawing.relief import light_up
from seesaw_keras.data.synthetic.drawing.sketch import TEMPLATE_SIZE, Sketch, View
from seesaw_keras.data.synthetic.identity import sample_identity
from seesaw_keras.data.synthetic.person import Identity
from seesaw_keras.data.synthetic.stable_rng import StableRng

__all__ = ["MAX_SIZE", "MIN_SIZE", "check_size", "render", "synthetic_face"]

MIN_SIZE, MAX_SIZE = 16, 1024
NOISE_STREAM = 2  # first word of the key, as PICTURE_STREAM is in conditions.py


def check_size(size: int) -> None:
    """Raises a ValueError if images cannot have that side."""
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must lie in {MIN_SIZE}..{MAX_SIZE} pixels, got {size}")


def synthetic_face(identity: int, image: int, *, size: int = TEMPLATE_SIZE, seed: int = 0) -> np.ndarray:
    """Draws one image of one identity, aligned to the ArcFace template.

    The same arguments give the same pixels in every process and on every machine. All sizes show the same scene; below
    112 it is drawn at 112 and downscaled.

    Args:
        identity: number of the identity, in [0, 2**32).
        image: number of the identity's image, in [0, 2**32).
        size: side of the image in pixels, 16 to 1024.
        seed: seed of the population, in [0, 2**32): another seed gives other identities.

    Returns:
        uint8 RGB (size, size, 3).

    Raises:
        ValueError: if a number is out of range.
    """
    check_size(size)
    person = sample_identity(identity, seed=seed)
    conditions = sample_conditions(identity, image, seed=seed)
    return render(person, conditions, StableRng(NOISE_STREAM, seed, identity, image), size=size)


def render(person: Identity, conditions: Conditions, rng: StableRng, *, size: int = TEMPLATE_SIZE) -> np.ndarray:
    """Draws an identity under given conditions.

    Args:
        person: the identity.
        conditions: the conditions of the image.
        rng: source of the camera noise.
        size: side of the image in pixels.

    Returns:
        uint8 RGB (size, size, 3).
    """
    drawn = max(size, TEMPLATE_SIZE)
    view = View(person, conditions, size=drawn)
    canvas = _backdrop(conditions, drawn)
    sketch = Sketch(view)
    draw_back_hair(sketch, person)
    draw_neck(sketch, person)
    near = -1.0 if conditions.pose.yaw > 0 else 1.0
    draw_ear(sketch, person, -near)
    draw_head(sketch, person)
    draw_ear(sketch, person, near)
    draw_face(sketch, person, conditions)
    draw_front_hair(sketch, person, conditions)
    if conditions.glasses < person.glasses.habit and conditions.cover != "sunglasses":
        draw_glasses(sketch, person)
    draw_cover(sketch, person, conditions)
    sketch.paint(canvas)
    light = light_up(canvas, view, person, conditions)
    picture = apply_camera(light, conditions.camera, rng, scale=drawn / TEMPLATE_SIZE)
    if drawn != size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return picture


def _backdrop(conditions: Conditions, size: int) -> np.ndarray:
    """Returns the out-of-focus scene behind the head: uint8 (size, size, 4), with 0 in the fourth channel."""
    cells = np.zeros((BACKDROP_CELLS, BACKDROP_CELLS, 4), np.uint8)
    colors = np.array(conditions.backdrop).reshape(BACKDROP_CELLS, BACKDROP_CELLS, 3)
    cells[..., :3] = np.clip(colors, 0, 255)
    return cv2.resize(cells, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)
