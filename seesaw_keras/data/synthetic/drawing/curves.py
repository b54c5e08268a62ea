"""Smooth curves through few points.

>>> from seesaw_keras.data.synthetic.drawing.curves import smooth
>>> smooth([(0, 0), (1, 1), (2, 0)], closed=False).shape
(11, 2)
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

__all__ = ["at_depth", "ellipse", "points", "ribbon", "smooth", "span"]

SAMPLES = 5  # per segment between two points


@lru_cache(maxsize=64)
def _basis(count: int, closed: bool) -> np.ndarray:
    """Returns the matrix that maps `count` points to the samples of the Catmull-Rom curve through them."""
    stretches = count if closed else count - 1
    rows = np.zeros((stretches * SAMPLES + (not closed), count))
    for row in range(len(rows)):
        stretch = min(row // SAMPLES, stretches - 1)
        t = row / SAMPLES - stretch
        weights = (
            -0.5 * t + t * t - 0.5 * t**3,
            1 - 2.5 * t * t + 1.5 * t**3,
            0.5 * t + 2 * t * t - 1.5 * t**3,
            -0.5 * t * t + 0.5 * t**3,
        )
        for step, weight in enumerate(weights, stretch - 1):
            rows[row, step % count if closed else min(max(step, 0), count - 1)] += weight
    return rows


def smooth(points: Sequence[Sequence[float]] | np.ndarray, *, closed: bool = True) -> np.ndarray:
    """Returns the Catmull-Rom curve through points (n, d), five samples per segment: (m, d) float64."""
    corners = np.asarray(points, np.float64)
    return _basis(len(corners), closed) @ corners


@lru_cache(maxsize=16)
def span(count: int) -> np.ndarray:
    """Returns `count` evenly spaced numbers from -1 to 1, read-only."""
    numbers = np.linspace(-1.0, 1.0, count)
    numbers.setflags(write=False)
    return numbers


@lru_cache(maxsize=16)
def _circle(count: int) -> np.ndarray:
    angles = np.arange(count) * (2 * np.pi / count)
    return np.column_stack((np.cos(angles), np.sin(angles)))


def points(*coordinates: np.ndarray) -> np.ndarray:
    """Stacks d coordinate arrays (n,) into points (n, d)."""
    return np.array(coordinates).T


def at_depth(outline: np.ndarray, depth: float) -> np.ndarray:
    """Adds a constant z to points (n, 2): (n, 3)."""
    solid = np.empty((len(outline), 3))
    solid[:, :2] = outline
    solid[:, 2] = depth
    return solid


def ellipse(x: float, y: float, radius_x: float, radius_y: float, count: int = 20) -> np.ndarray:
    """Returns an ellipse as an outline (count, 2)."""
    return _circle(count) * (radius_x, radius_y) + (x, y)


def ribbon(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Returns the outline between two curves (n, d) and (m, d) that run in the same direction."""
    return np.concatenate((upper, lower[::-1]))
