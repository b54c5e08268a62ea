import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.views import MAX_LOG_SCALE, MAX_ROTATION, MAX_SHIFT, PLAIN, Views, image_key

KEYS = st.integers(0, 2**32 - 1)
FACE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (56, 56, 3), np.uint8), (0, 0), 4)


def test_plain_views_are_the_image_and_its_mirror_image():
    assert (len(PLAIN), len(Views(flip=False))) == (2, 1)
    np.testing.assert_array_equal(PLAIN.render(FACE, 5, 0), FACE)
    np.testing.assert_array_equal(PLAIN.render(FACE, 5, 1), FACE[:, ::-1])


@given(KEYS, st.integers(0, 7), st.integers(0, 2**64 - 1), st.booleans(), st.sampled_from([64, 112]))
def test_a_jittered_view_is_a_similarity_within_its_bounds(key, view, seed, flip, side):
    matrix = Views(8, flip, seed).matrix(key, view, side)
    linear = matrix[:, :2]
    mirrored = np.linalg.det(linear) < 0
    assert mirrored == (flip and (view + key) % 2 == 1)
    if mirrored:
        linear = linear @ np.diag([-1, 1])
    scale = np.sqrt(np.linalg.det(linear))
    np.testing.assert_allclose(linear @ linear.T, scale**2 * np.eye(2), atol=1e-9)
    assert abs(np.log(scale)) <= MAX_LOG_SCALE + 1e-9
    assert abs(np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))) <= MAX_ROTATION + 1e-6
    center = np.full(2, (side - 1) / 2)
    assert np.abs(matrix @ [*center, 1] - center).max() <= MAX_SHIFT * side + 1e-9


@given(KEYS, st.integers(0, 3), st.integers(0, 1000))
def test_a_view_depends_on_seed_image_and_number_alone(key, view, seed):
    first = Views(4, seed=seed).render(FACE, key, view)
    np.testing.assert_array_equal(Views(8, seed=seed).render(FACE, key, view), first)
    for other in (Views(4, seed=seed + 1).matrix(key, view, 56), Views(4, seed=seed).matrix(key ^ 2, view, 56)):
        assert not np.allclose(other, Views(4, seed=seed).matrix(key, view, 56))


def test_pixels_are_where_the_matrix_puts_them():
    """Compared with bilinear sampling written out."""
    views = Views(jittered=2)
    matrix = views.matrix(7, 1, 56)
    inverse = np.linalg.inv(matrix[:, :2])
    x, y = np.meshgrid(np.arange(56), np.arange(56))
    source = (np.stack([x, y], -1) - matrix[:, 2]) @ inverse.T
    low = np.floor(source).astype(int)
    inside = ((low >= 0) & (low < 55)).all(-1)
    part = source - low
    total = np.zeros((56, 56, 3))
    for down in (0, 1):
        for right in (0, 1):
            weight = np.where(right, part[..., 0], 1 - part[..., 0]) * np.where(down, part[..., 1], 1 - part[..., 1])
            rows, columns = np.clip(low[..., 1] + down, 0, 55), np.clip(low[..., 0] + right, 0, 55)
            total += weight[..., None] * FACE[rows, columns]
    assert inside.mean() > 0.7
    # OpenCV rounds positions to 1/32 of a pixel.
    np.testing.assert_allclose(views.render(FACE, 7, 1)[inside], total[inside], atol=2.5)


def test_half_of_an_images_views_are_mirrored():
    views = Views(6)
    for key in (4, 5):
        assert sum(np.linalg.det(views.matrix(key, view, 56)[:, :2]) < 0 for view in range(6)) == 3


def test_the_key_is_that_of_the_bytes():
    assert image_key(b"123456789") == 0xCBF43926  # the check value of CRC-32


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="must be 0 or more, got -1"):
        Views(-1)
