"""Alignment compared with independent formulas and solvers."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from seesaw_keras.faces.alignment import TEMPLATE, WARP_MAX_SIDE, align, similarity_transform, template, warp

coordinates = st.floats(-1000, 1000)
point_sets = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=8).map(np.array)


def umeyama(source, target):
    """Returns Umeyama's solution by singular value decomposition, as implemented in scikit-image."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    signs = np.ones(2)
    if np.linalg.det(covariance) < 0:
        signs[1] = -1
    u, singular, vt = np.linalg.svd(covariance)
    if np.linalg.matrix_rank(covariance) == 1:
        signs = np.array([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = singular @ signs / (source - source_mean).var(axis=0).sum()
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(point_sets, st.floats(0.01, 100), st.floats(-np.pi, np.pi), coordinates, coordinates)
def test_recovers_a_similarity(points, scale, angle, across, down):
    assume(np.ptp(points, axis=0).max() > 1e-3)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[cosine, -sine, across], [sine, cosine, down]])
    found = similarity_transform(points, apply(truth, points))
    np.testing.assert_allclose(apply(found, points), apply(truth, points), atol=1e-6 * max(1, scale))
    np.testing.assert_allclose(found[:, :2], truth[:, :2], atol=1e-6 * max(1, scale))


@given(st.integers(0, 2**32 - 1))
def test_equals_umeyama_by_singular_values(seed):
    random = np.random.default_rng(seed)
    source = random.normal(size=(5, 2)) * 50 + 200
    target = TEMPLATE + random.normal(size=(5, 2)) * 20
    np.testing.assert_allclose(similarity_transform(source, target), umeyama(source, target), rtol=1e-7, atol=1e-7)


def test_is_the_least_squares_optimum():
    random = np.random.default_rng(3)
    source = TEMPLATE * 2.3 + random.normal(size=(5, 2)) * 9

    def residuals(parameters):
        a, b, across, down = parameters
        return (apply(np.array([[a, -b, across], [b, a, down]]), source) - TEMPLATE).ravel()

    a, b, across, down = least_squares(residuals, [1, 0, 0, 0], xtol=1e-12, ftol=1e-12, gtol=1e-12).x
    np.testing.assert_allclose(
        similarity_transform(source, TEMPLATE), [[a, -b, across], [b, a, down]], rtol=1e-5, atol=1e-5
    )


def test_never_reflects():
    mirrored = TEMPLATE * [-1, 1]
    assert np.linalg.det(similarity_transform(mirrored, TEMPLATE)[:, :2]) > 0


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (np.ones((5, 2)) * 1e6 / 3, TEMPLATE, "all source points are equal"),
        (np.zeros((2, 2)), TEMPLATE[:2], "all source points are equal"),
        (TEMPLATE, np.ones((5, 2)), "the target is one point"),
        ([[-1, 0], [1, 0], [0, -1], [0, 1]], [[1, 0], [-1, 0], [0, -1], [0, 1]], "mirror image"),
        (TEMPLATE[:1], TEMPLATE[:1], r"n >= 2, got \(1, 2\)"),
        (TEMPLATE, TEMPLATE[:2], r"\(5, 2\) and \(2, 2\)"),
        (np.ones((5, 3)), np.ones((5, 3)), r"arrays \(n, 2\)"),
        (TEMPLATE * np.nan, TEMPLATE, "finite"),
    ],
)
def test_degenerate_points_are_rejected(source, target, message):
    with pytest.raises(ValueError, match=message):
        similarity_transform(source, target)


def test_template():
    np.testing.assert_allclose(template(size=224), TEMPLATE * 2)
    np.testing.assert_allclose(template(2), TEMPLATE[:2])
    assert TEMPLATE[0, 0] < TEMPLATE[1, 0] < 112 and TEMPLATE[3, 1] > TEMPLATE[2, 1] > TEMPLATE[0, 1]
    with pytest.raises(ValueError, match="got 3"):
        template(3)
    with pytest.raises(ValueError, match="positive"):
        template(size=0)


@pytest.mark.parametrize("size", [112, 96, 224])
def test_aligned_landmarks_match_the_template(size):
    image = np.zeros((400, 500, 3), np.uint8)
    turn = np.array([[0.8, -0.3], [0.3, 0.8]]) * 112 / size
    landmarks = template(size=size) @ turn.T + [180, 60]
    for k, point in enumerate(landmarks):
        cv2.circle(image, np.round(point * 16).astype(int).tolist(), 4 * 16, (0, 0, 50 + 50 * k), -1, cv2.LINE_AA, 4)
    for points in (landmarks, landmarks[:2]):
        crop = align(image, points, size=size)
        assert crop.shape == (size, size, 3) and crop.dtype == np.uint8
        for k, expected in enumerate(template(size=size)):
            rows, columns = np.nonzero(np.abs(crop[..., 2].astype(int) - (50 + 50 * k)) < 8)
            near = np.hypot(columns - expected[0], rows - expected[1]) < 12
            np.testing.assert_allclose([columns[near].mean(), rows[near].mean()], expected, atol=0.5)


@pytest.mark.parametrize("landmarks", [np.zeros(10), np.zeros((3, 2)), np.zeros((5, 2)), [[0, 0], [np.inf, 1]]])
def test_align_rejects_invalid_landmarks(landmarks):
    with pytest.raises(ValueError, match=r"landmarks|points"):
        align(np.zeros((10, 10, 3), np.uint8), landmarks)


def test_warp_to_half_size_is_bilinear():
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    matrix = np.array([[0.6, 0.1, -20], [-0.1, 0.6, 12.5]])
    np.testing.assert_array_equal(warp(image, matrix, 112), cv2.warpAffine(image, matrix, (112, 112)))


def test_warp_to_an_eighth_averages_pixels():
    image = np.random.default_rng(0).integers(0, 256, (800, 800), np.uint8)
    eighth = np.array([[1 / 8, 0, -7 / 16], [0, 1 / 8, -7 / 16]])  # block means: pixel centers (i + 0.5) / 8 - 0.5
    means = image.reshape(100, 8, 100, 8).mean(axis=(1, 3))
    # Each sample is a rounded mean of four pixels, and so is each output pixel: two roundings.
    np.testing.assert_allclose(warp(image, eighth, 100), means, atol=1.01)


def test_warp_of_a_tiny_face_needs_little_memory():
    assert warp(np.full((50, 50, 3), 9, np.uint8), np.eye(2, 3) * 1e-6, 112).shape == (112, 112, 3)


@pytest.mark.slow
def test_warp_of_an_image_over_the_opencv_size_limit():
    strip = np.zeros((120, WARP_MAX_SIDE + 5000, 3), np.uint8)
    strip[:, 35000:35112] = np.random.default_rng(0).integers(0, 256, (120, 112, 3))
    moved = np.array([[1.0, 0, -35000], [0, 1, -4]])
    np.testing.assert_array_equal(warp(strip, moved, 112), strip[4:116, 35000:35112])
    assert not warp(strip, np.array([[1.0, 0, 500], [0, 1, 0]]), 112).any(), "left of the image"
    assert warp(strip, np.array([[112 / 37000, 0, 0], [0, 112 / 37000, 0]]), 112).shape == (112, 112, 3)
