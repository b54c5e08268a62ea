"""Projection of points on the head to the image, and drawing of outlines.

>>> from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL
>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> from seesaw_keras.data.synthetic.drawing.sketch import View
>>> View(sample_identity(1), NEUTRAL, size=112).landmarks.shape
(5, 2)

Head coordinates are in template pixels: x to the right, y down, z toward the viewer, with the origin in the middle of
the head behind the tip of the nose.
"""

from math import cos, radians, sin
from typing import NamedTuple

import cv2
import numpy as np

from seesaw_keras.data.synthetic.drawing.conditions import Conditions, Expression
from seesaw_keras.data.synthetic.person import Color, Identity

__all__ = ["HEAD_X", "HEAD_Y", "TEMPLATE", "TEMPLATE_SIZE", "Sketch", "View", "mouth_corner"]

TEMPLATE_SIZE = 112
# ArcFace's five points: eyes, tip of the nose, corners of the mouth (insightface, face_align.py).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_COMPLEX = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]  # plane similarities as complex numbers
TEMPLATE_MIDDLE = complex(_COMPLEX.mean())
TEMPLATE_CENTERED = _COMPLEX - TEMPLATE_MIDDLE
HEAD_X, HEAD_Y = 43.0, 74.0  # radii of the ellipsoid that carries the features; the third one depends on the identity
DISTANCE = 420.0  # distance of the viewer, for the perspective
FILLED, HULL = 0.0, -1.0
SHIFT = 4  # OpenCV draws on a grid of 1/16 pixel


def mouth_corner(identity: Identity, expression: Expression) -> tuple[float, float]:
    """Returns x and y of the corner of the mouth on the right of the image."""
    mouth = identity.mouth
    x = mouth.width * (1.0 + 0.13 * expression.smile - 0.10 * expression.mouth_open)
    return x, mouth.height - 2.0 * expression.smile - 0.5 * mouth.curve + 1.5 * expression.mouth_open


class _Stroke(NamedTuple):
    """Outlines of one color.

    Attributes:
        flat: whether the points are on the face surface (2D) instead of in head coordinates (3D).
        length: number of points.
        parts: number of lines into which the points are split, all of the same length.
        color: RGB and the fraction of the light.
        width: FILLED, HULL or the width of a line, in template pixels.
    """

    flat: bool
    length: int
    parts: int
    color: tuple[float, float, float, float]
    width: float


class View:
    """The projection of a head: rotation, perspective, then the similarity that aligns the five points.

    Attributes:
        scale: image pixels per template pixel at the depth of the face.
        landmarks: the projected five points, (5, 2) float64, in image pixels.
        rotation: (3, 3) rotation of the head.
        depth: third radius of the ellipsoid that carries the features.
    """

    def __init__(self, identity: Identity, conditions: Conditions, *, size: int) -> None:
        """Aligns the five points of the face to the template of a `size` x `size` image, up to the pose's jitter."""
        pose = conditions.pose
        yaw, pitch = radians(pose.yaw), radians(pose.pitch)
        cy, sy, cp, sp = cos(yaw), sin(yaw), cos(pitch), sin(pitch)
        # First about the vertical axis, then about the horizontal one.
        self.rotation = np.array([[cy, 0.0, sy], [sp * sy, cp, -sp * cy], [-cp * sy, sp, cp * cy]])
        self.depth = identity.head.depth

        eyes, nose = identity.eyes, identity.nose
        corner_x, corner_y = mouth_corner(identity, conditions.expression)
        points = np.array(
            [
                [-eyes.spacing, eyes.height + identity.head.lopsided],
                [eyes.spacing, eyes.height - identity.head.lopsided],
                [nose.crooked, nose.tip],
                [-corner_x, corner_y],
                [corner_x, corner_y],
            ]
        )
        flat = self._flatten(self.lift(points, np.array([0.0, 0.0, nose.relief, 0.0, 0.0])))
        ratio = size / TEMPLATE_SIZE
        # The center of the first pixel is at (0, 0), in the template and in the image.
        middle = (TEMPLATE_MIDDLE + complex(*pose.shift) + (0.5 + 0.5j)) * ratio - (0.5 + 0.5j)
        # Least squares over similarities: the closed form of Umeyama's alignment in two dimensions.
        flat_middle = complex(flat.mean())
        centered = flat - flat_middle
        factor = complex(np.vdot(centered, TEMPLATE_CENTERED)) / complex(np.vdot(centered, centered)) * ratio
        self._factor = factor * pose.zoom * complex(cos(radians(pose.roll)), sin(radians(pose.roll)))
        self._offset = middle - self._factor * flat_middle
        self.scale = abs(self._factor)
        self.landmarks = self._land(flat)

    def lift(self, points: np.ndarray, relief: np.ndarray | float = 0.0) -> np.ndarray:
        """Projects points (n, 2) of the frontal plane onto the face, `relief` in front of it: (n, 3)."""
        x, y = points[:, 0] * (1 / HEAD_X), points[:, 1] * (1 / HEAD_Y)
        lifted = np.empty((len(points), 3))
        lifted[:, :2] = points
        lifted[:, 2] = self.depth * np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0)) + relief
        return lifted

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns the projections of points (n, 3) of the head: (n, 2), in image pixels."""
        return self._land(self._flatten(points))

    def facing(self, points: np.ndarray) -> np.ndarray:
        """Returns the points (n, 3) of the head that are at `points` after the head's rotation."""
        return points @ self.rotation

    def _flatten(self, points: np.ndarray) -> np.ndarray:
        turned = points @ self.rotation.T
        return (turned[:, 0] + 1j * turned[:, 1]) * (DISTANCE / (DISTANCE - turned[:, 2]))

    def _land(self, flat: np.ndarray) -> np.ndarray:
        landed = flat * self._factor + self._offset
        return np.column_stack((landed.real, landed.imag))


class Sketch:
    """Outlines in painting order, projected all at once.

    The image has a fourth channel with the fraction of the scene's light that a pixel receives: 255 on skin, 0 on the
    backdrop, which needs no lighting.

    Attributes:
        view: the projection.
    """

    def __init__(self, view: View) -> None:
        """Creates an empty sketch for a view."""
        self.view = view
        self._flat: list[np.ndarray] = []
        self._relief: list[float] = []
        self._solid: list[np.ndarray] = []
        self._strokes: list[_Stroke] = []

    def fill(self, points: np.ndarray, color: Color, *, relief: float = 0.0, lit: int = 255) -> None:
        """Fills an outline: (n, 2) on the face, `relief` in front of it, or (n, 3) in head coordinates."""
        self._add(points, color, FILLED, relief, lit)

    def fill_both(self, points: np.ndarray, color: Color, *, relief: float = 0.0, skew: float = 0.0) -> None:
        """Fills an outline (n, 2) or (n, 3) and its mirror image; `skew` raises the first and lowers the second."""
        for outline in self._both(points, skew):
            self._add(outline, color, FILLED, relief, 255)

    def line_both(
        self, points: np.ndarray, color: Color, width: float, *, relief: float = 0.0, skew: float = 0.0
    ) -> None:
        """Draws a line and its mirror image, see `fill_both`."""
        for outline in self._both(points, skew):
            self._add(outline, color, width, relief, 255)

    @staticmethod
    def _both(points: np.ndarray, skew: float) -> tuple[np.ndarray, np.ndarray]:
        right, left = points.copy(), points.copy()
        right[:, 1] -= skew
        left[:, 1] += skew
        left[:, 0] *= -1.0
        return right, left

    def hull(self, points: np.ndarray, color: Color) -> None:
        """Fills the convex hull of the projections of points (n, 3) in head coordinates."""
        self._add(points, color, HULL, 0.0, 255)

    def line(self, points: np.ndarray, color: Color, width: float, *, relief: float = 0.0) -> None:
        """Draws a line, `width` in template pixels, through points (n, 2) on the face or (n, 3) in head coordinates."""
        self._add(points, color, width, relief, 255)

    def lines(self, points: np.ndarray, color: Color, width: float) -> None:
        """Draws several lines of one color in one call: (lines, n, 2) on the face or (lines, n, 3)."""
        self._add(points.reshape(-1, points.shape[2]), color, width, 0.0, 255, parts=len(points))

    def _add(self, points: np.ndarray, color: Color, width: float, relief: float, lit: int, *, parts: int = 1) -> None:
        flat = points.shape[1] == 2
        if flat:
            self._flat.append(points)
            self._relief.append(relief)
        else:
            self._solid.append(points)
        self._strokes.append(_Stroke(flat, len(points), parts, (*color, lit), width))

    def paint(self, canvas: np.ndarray) -> None:
        """Paints the outlines on a uint8 canvas (size, size, 4)."""
        relief = np.repeat(self._relief, [len(points) for points in self._flat])
        lifted = self.view.lift(np.concatenate(self._flat), relief)
        landed = self.view.project(np.concatenate((lifted, *self._solid)))
        fixed = np.rint(landed * (1 << SHIFT)).astype(np.int32)
        next_flat, next_solid = 0, len(lifted)
        for flat, length, parts, color, width in self._strokes:
            if flat:
                outline = fixed[next_flat : next_flat + length]
                next_flat += length
            else:
                outline = fixed[next_solid : next_solid + length]
                next_solid += length
            if width > 0:
                thickness = max(1, round(width * self.view.scale))
                cv2.polylines(canvas, outline.reshape(parts, -1, 2), False, color, thickness, cv2.LINE_AA, SHIFT)
                continue
            if width == HULL:
                outline = cv2.convexHull(outline)
            cv2.fillPoly(canvas, [outline], color, cv2.LINE_AA, SHIFT)
