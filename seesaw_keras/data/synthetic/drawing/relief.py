"""Lighting of a face: an ellipsoid with bumps and hollows, lit by one lamp.

>>> from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL
>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> from seesaw_keras.data.synthetic.drawing.relief import light_up
>>> from seesaw_keras.data.synthetic.drawing.sketch import View
>>> import numpy as np
>>> person = sample_identity(1)
>>> light_up(np.full((112, 112, 4), 200, np.uint8), View(person, NEUTRAL, size=112), person, NEUTRAL).shape
(3, 112, 112)

Bumps, hollows and soft tints are axis-aligned Gaussians, so each sum over the image is one small matrix product.
"""

import cv2
import numpy as np

from seesaw_keras.data.synthetic.drawing.conditions import Conditions
from seesaw_keras.data.synthetic.drawing.sketch import View, mouth_corner
from seesaw_keras.data.synthetic.person import Identity

__all__ = ["light_up"]

RADIUS_X, RADIUS_Y = 52.0, 66.0  # of the ellipsoid that approximates the head, in template pixels
FLATTEST = 0.16  # minimum squared z of its normals, so that the rim is not black
BRIGHTNESS = 1.32  # of the lamp
GLOSS_LEVELS = 46.0  # gray levels of the strongest highlight
FIXED_ONE = 4096  # 1.0 in the fixed-point light map
BLUSH = (0.25, -1.0, -0.8)  # effect of one unit of redness on red, green and blue
# x, y, relief, width, height, bump, darkness, redness of one Gaussian
Bump = tuple[float, float, float, float, float, float, float, float]


def _bumps(identity: Identity, conditions: Conditions) -> np.ndarray:
    """Returns the bumps of a face, (n, 8), with the columns of `Bump`."""
    head, eyes, nose, skin = identity.head, identity.eyes, identity.nose, identity.skin
    mouth, expression = identity.mouth, conditions.expression
    smile = max(0.0, expression.smile)
    corner_x, corner_y = mouth_corner(identity, expression)
    red = 0.10 * skin.rosiness
    stubble = identity.beard.stubble * conditions.groomed * 0.20
    ridge = nose.relief / 13.0
    rows: list[Bump] = [
        (0.3 * nose.crooked, -21.0, 3.0, nose.bridge, 8.0, 2.6 * ridge, 0.0, 0.0),
        (0.6 * nose.crooked, -11.0, 6.0, nose.bridge, 5.5, (3.2 + 0.9 * nose.hump) * ridge, 0.0, 0.0),
        (nose.crooked, nose.tip - 1.5, nose.relief, nose.bulb, 4.8, 5.0 * ridge, -0.03, 0.8 * red),
        (0.0, nose.base + 3.0, 3.0, 0.8 * nose.width, 2.6, -0.8, 0.10, 0.02),
        (0.0, mouth.height + mouth.lower + 5.5, 1.0, 8.0, 2.8, -1.3, 0.05, 0.0),
        (0.0, head.length - 9.0, 3.0, head.chin * 0.7, 6.0, 2.6, stubble, 0.0),
        (0.0, head.length - 8.0, 3.0, 1.3, 4.0, -0.9 * head.cleft, 0.04 * head.cleft, 0.0),
        (0.0, -44.0, 0.0, 22.0, 12.0, 1.5, 0.0, 0.0),
        (0.0, nose.base + 7.5, 3.0, 9.0, 3.0, 0.9, 0.7 * stubble, 0.0),
    ]
    for side in (-1.0, 1.0):
        x = side * eyes.spacing
        rows += [
            (
                side * (eyes.spacing - 5.5),
                eyes.height - 2.5,
                0.0,
                6.0,
                4.5,
                -0.8 * head.sockets,
                0.055 * head.sockets,
                0.01,
            ),
            (x, eyes.height - 8.5, 0.0, 11.0, 4.0, 1.1, 0.0, 0.0),
            (x, eyes.height + 6.0, 0.0, 7.5, 3.0, -0.5 * eyes.bags, 0.07 * eyes.bags, 0.0),
            (
                side * 27.0,
                -3.0 - 2.0 * smile,
                0.0,
                9.0,
                6.5 + smile,
                1.5 * head.cheekbones + 1.3 * smile,
                -0.02,
                red + 0.03 * smile,
            ),
            (side * 26.0, 15.0, 0.0, 7.0, 9.0, 1.6 * head.cheeks, 0.7 * stubble - 0.02 * head.cheeks, 0.0),
        ]
    rows.append((0.0, corner_y, 4.0, corner_x + 3.0, mouth.upper + mouth.lower + 2.0, 1.8, 0.5 * stubble, 0.0))
    return np.array(rows)


def light_up(canvas: np.ndarray, view: View, identity: Identity, conditions: Conditions) -> np.ndarray:
    """Applies the light of the scene to the painted colors.

    Args:
        canvas: uint8 (size, size, 4): colors and the fraction of light that each pixel receives, from `Sketch.paint`.
        view: projection of the head.
        identity: the person.
        conditions: the conditions that define the light.

    Returns:
        float32 (3, size, size): red, green and blue in gray levels, not yet clipped to 0..255.
    """
    light = conditions.light
    size = len(canvas)
    slope_x, slope_y, dark, red, grid = _maps(view, identity, conditions, size)
    center = view.project(np.zeros((1, 3)))[0]
    across = ((grid - center[0]) / (RADIUS_X * view.scale)).astype(np.float32)[None, :]
    along = ((grid - center[1]) / (RADIUS_Y * view.scale)).astype(np.float32)[:, None]
    z = np.sqrt(np.maximum(np.float32(1.0) - across * across - along * along, np.float32(FLATTEST)))
    x, y = across + slope_x, along + slope_y
    length = np.sqrt(x * x + y * y + z * z)
    facing = _towards(x, y, z, light.direction) / length
    # Blinn's highlight with a frontal viewer: half way between the lamp and the viewer, to the 16th power.
    lx, ly, lz = light.direction
    shine = _towards(x, y, z, (lx, ly, lz + 1.0)) / (length * np.float32((2.0 + 2.0 * lz) ** 0.5))
    for _ in range(4):
        shine *= shine
    tint = np.float32(1.0) - dark
    direct = facing * tint * np.float32(BRIGHTNESS * (1.0 - light.ambient))
    tint *= np.float32(light.ambient)
    light_map = np.empty((4, len(grid), len(grid)), np.float32)
    for channel in range(3):
        lit = direct * np.float32(light.lamp[channel]) + tint * np.float32(light.surroundings[channel])
        light_map[channel] = lit + (red * np.float32(BLUSH[channel]) - np.float32(1.0))
    light_map[3] = shine * np.float32(identity.skin.gloss * (1.0 - light.ambient))
    return _apply(canvas, light_map)


def _maps(view: View, identity: Identity, conditions: Conditions, size: int) -> tuple[np.ndarray, ...]:
    """Returns slopes to the right and down, darkness and redness on every second pixel, and those pixels' indices."""
    rows = _bumps(identity, conditions)
    landed = view.project(view.lift(rows[:, :2], rows[:, 2]))
    widths = rows[:, 3:5] * view.scale
    grid = np.arange(0.0, size, 2.0)
    from_x, from_y = grid - landed[:, :1], grid - landed[:, 1:]
    bell_x = np.exp(-0.5 * (from_x / widths[:, :1]) ** 2)
    bell_y = np.exp(-0.5 * (from_y / widths[:, 1:]) ** 2)
    high = rows[:, 5:6] * view.scale
    right = (high * bell_x * from_x / widths[:, :1] ** 2, high * bell_x, rows[:, 6:7] * bell_x, rows[:, 7:8] * bell_x)
    down = (bell_y, bell_y * from_y / widths[:, 1:] ** 2, bell_y, bell_y)
    # Computed in float64 and rounded to float32 once: later steps are exact elementwise arithmetic on every machine.
    return (*((one.T @ other).astype(np.float32) for one, other in zip(down, right, strict=True)), grid)


def _towards(x: np.ndarray, y: np.ndarray, z: np.ndarray, direction: tuple[float, float, float]) -> np.ndarray:
    """Returns the dot products of the normals and a direction, clipped at 0."""
    lx, ly, lz = (np.float32(part) for part in direction)
    return np.maximum(x * lx + y * ly + z * lz, np.float32(0.0))


def _apply(canvas: np.ndarray, light_map: np.ndarray) -> np.ndarray:
    """Upsamples the light map to the image size and applies it: float32 (3, size, size). Overwrites the light map."""
    size = len(canvas)
    # OpenCV upsamples integers exactly, but not floats.
    light_map *= np.float32(FIXED_ONE)
    fixed = np.rint(light_map, out=light_map).astype(np.int16)
    *factors, gloss = (cv2.pyrUp(plane, dstsize=(size, size)) for plane in fixed)
    *colors, lit = cv2.split(canvas)
    share = lit * np.float32(1 / (255 * FIXED_ONE))
    shine = gloss * np.float32(GLOSS_LEVELS)
    planes = np.empty((3, size, size), np.float32)
    for plane, color, factor in zip(planes, colors, factors, strict=True):
        np.multiply(factor, color, out=plane, dtype=np.float32)
        plane += shine
        plane *= share
        plane += color
    return planes
