from dataclasses import replace

import numpy as np
import pytest

from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL, Pose, sample_conditions
from seesaw_keras.data.synthetic.drawing.sketch import TEMPLATE, Sketch, View
from seesaw_keras.data.synthetic.identity import sample_identity


def umeyama(source, target):
    """The similarity of least squares, from the singular value decomposition of Umeyama (1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = (d * np.diag(sign)).sum() / a.var(0).sum()
    return scale * rotation, target.mean(0) - scale * rotation @ source.mean(0)


def test_frontal_landmarks_lie_on_the_template_on_average():
    landmarks = np.mean([View(sample_identity(i), NEUTRAL, size=112).landmarks for i in range(500)], axis=0)
    assert np.abs(landmarks - TEMPLATE).max() < 0.6


@pytest.mark.parametrize("yaw", [-30.0, 0.0, 20.0])
def test_alignment_is_the_best_similarity(yaw):
    for number in range(20):
        conditions = replace(sample_conditions(number, 0), pose=Pose(yaw=yaw, pitch=7.0))
        landmarks = View(sample_identity(number), conditions, size=112).landmarks
        matrix, offset = umeyama(landmarks, TEMPLATE)
        assert np.allclose(matrix, np.eye(2), atol=1e-9)
        assert np.allclose(offset, 0.0, atol=1e-7)


def test_jitter_moves_all_points_together():
    person = sample_identity(3)
    still = View(person, NEUTRAL, size=112).landmarks
    moved = View(person, replace(NEUTRAL, pose=Pose(roll=5.0, zoom=1.1, shift=(2.0, -1.0))), size=112).landmarks
    matrix, _ = umeyama(still, moved)
    assert np.isclose(np.linalg.det(matrix) ** 0.5, 1.1)
    assert np.isclose(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])), 5.0)
    assert np.allclose(moved.mean(0) - still.mean(0), (2.0, -1.0))


def test_a_larger_picture_shows_the_same_points():
    # Pixel centers: the first one's is half a pixel inside the picture, whatever its size.
    person, conditions = sample_identity(3), sample_conditions(3, 1)
    small = View(person, conditions, size=112).landmarks
    assert np.allclose(View(person, conditions, size=224).landmarks, (small + 0.5) * 2 - 0.5)


def test_a_turn_to_the_right_moves_the_nose_to_the_right_of_the_eyes():
    person = sample_identity(3)
    left, right = (View(person, replace(NEUTRAL, pose=Pose(yaw=yaw)), size=112).landmarks for yaw in (-25.0, 25.0))
    assert left[2, 0] - left[:2, 0].mean() < -5
    assert right[2, 0] - right[:2, 0].mean() > 5


def test_facing_is_undone_by_the_rotation():
    view = View(sample_identity(1), replace(NEUTRAL, pose=Pose(yaw=30.0, pitch=-10.0)), size=112)
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 0.0, 9.0]])
    assert np.allclose(view.facing(points) @ view.rotation.T, points)


def test_paint_fills_a_square_where_it_projects():
    view = View(sample_identity(1), NEUTRAL, size=112)
    square = np.array([[-10.0, -10.0], [10.0, -10.0], [10.0, 10.0], [-10.0, 10.0]])
    sketch = Sketch(view)
    sketch.fill(square, (10, 20, 30), lit=200)
    canvas = np.zeros((112, 112, 4), np.uint8)
    sketch.paint(canvas)
    x, y = view.project(view.lift(square)).T
    assert (canvas[int(y.min()) + 2 : int(y.max()) - 1, int(x.min()) + 2 : int(x.max()) - 1] == (10, 20, 30, 200)).all()
    assert canvas[: int(y.min()) - 2].max() == canvas[:, int(x.max()) + 3 :].max() == 0
