import numpy as np
import pytest

from seesaw_keras.data.synthetic.drawing.curves import SAMPLES, ellipse, points, ribbon, smooth


@pytest.mark.parametrize("closed", [True, False])
def test_a_smooth_curve_goes_through_its_points(closed):
    corners = np.random.default_rng(0).normal(size=(7, 2))
    curve = smooth(corners, closed=closed)
    assert len(curve) == (7 if closed else 6) * SAMPLES + (not closed)
    assert np.allclose(curve[::SAMPLES], corners)


def test_catmull_rom_by_its_definition():
    # Barry and Goldman's form with uniform knots, from repeated linear interpolation.
    corners = np.random.default_rng(1).normal(size=(5, 3))
    curve = smooth(corners)
    for stretch in range(5):
        p = [corners[(stretch + k) % 5] for k in (-1, 0, 1, 2)]
        for sample in range(SAMPLES):
            t = 1 + sample / SAMPLES
            a = [p[k] * (k + 1 - t) + p[k + 1] * (t - k) for k in range(3)]
            b = [a[k] * (k + 2 - t) / 2 + a[k + 1] * (t - k) / 2 for k in range(2)]
            assert np.allclose(curve[stretch * SAMPLES + sample], b[0] * (2 - t) + b[1] * (t - 1))


def test_ellipse_points_satisfy_its_equation():
    x, y = ellipse(3.0, -2.0, 5.0, 0.5, 30).T
    assert np.allclose(((x - 3) / 5) ** 2 + ((y + 2) / 0.5) ** 2, 1)
    assert len(x) == 30


def test_a_ribbon_runs_there_and_back():
    upper, lower = points(np.arange(3), np.zeros(3)), points(np.arange(3), np.ones(3))
    assert ribbon(upper, lower).tolist() == [[0, 0], [1, 0], [2, 0], [2, 1], [1, 1], [0, 1]]
