import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.degradation import KINDS, PARAMETERS, UNIFORMS, degrade
from seesaw_keras.data.order import random_uniforms

SIDE = 112
FACE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 2)
FACE = cv2.normalize(FACE, None, 0, 255, cv2.NORM_MINMAX)
APPLY = {kind.name: kind.apply for kind in KINDS}
PARAMETER_LISTS = st.lists(st.floats(0, 1, exclude_max=True), min_size=PARAMETERS, max_size=PARAMETERS)


def uniforms(*kinds, parameters=0.5):
    """Returns random numbers for which `degrade` applies only the given kinds."""
    table = [[0.0 if kind.name in kinds else 0.999, *([parameters] * PARAMETERS)] for kind in KINDS]
    return np.array([0.0, *np.ravel(table)])


@given(st.integers(0, 2**32), st.sampled_from([32, 56, 112]))
def test_shape_is_kept_and_result_is_deterministic(index, side):
    face = cv2.resize(FACE, (side, side))
    kept = face.copy()
    numbers = random_uniforms(3, 0, index, UNIFORMS)
    made = degrade(face, numbers)
    assert (made.shape, made.dtype) == (face.shape, np.uint8)
    np.testing.assert_array_equal(face, kept)
    np.testing.assert_array_equal(degrade(face, numbers), made)


def test_kinds_are_applied_with_their_probabilities():
    numbers = np.stack([random_uniforms(0, 0, index, UNIFORMS) for index in range(4000)])
    chosen = numbers[:, 1:].reshape(len(numbers), len(KINDS), -1)[..., 0] < [kind.probability for kind in KINDS]
    np.testing.assert_allclose(chosen.mean(0), [kind.probability for kind in KINDS], atol=0.04)
    none = ~chosen.any(1)
    assert 0.05 < none.mean() < 0.25
    for row in numbers[none][:50]:  # if no kind is chosen, one is applied anyway
        kind = KINDS[int(row[0] * len(KINDS))]
        parameters = row[1:].reshape(len(KINDS), -1)[KINDS.index(kind), 1:]
        np.testing.assert_array_equal(degrade(FACE, row), kind.apply(FACE, parameters))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_single_kind(kind):
    np.testing.assert_array_equal(degrade(FACE, uniforms(kind.name)), kind.apply(FACE, np.full(PARAMETERS, 0.5)))


def test_exposure_is_applied_before_blur():
    both = degrade(FACE, uniforms("exposure", "blur"))
    middle = np.full(PARAMETERS, 0.5)
    np.testing.assert_array_equal(both, APPLY["blur"](APPLY["exposure"](FACE, middle), middle))


@given(PARAMETER_LISTS)
def test_cover_is_one_gray_rectangle(numbers):
    covered = APPLY["cover"](FACE, np.array(numbers))
    changed = (covered != FACE).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    inside = covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert (inside == int(256 * numbers[4])).all()
    assert 0.19 * 0.19 < inside[..., 0].size / SIDE**2 <= 0.51


@given(PARAMETER_LISTS)
def test_border_is_black_and_keeps_the_center(numbers):
    made = APPLY["border"](FACE, np.array(numbers))
    same = (made == FACE).all(-1)
    assert same[23:89, 23:89].all()
    assert (made[~same] == 0).all()


@given(PARAMETER_LISTS)
def test_exposure_is_monotonic_and_keeps_black(numbers):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    levels = APPLY["exposure"](ramp, np.array(numbers))[:, 0, 0].astype(int)
    assert (np.diff(levels) >= 0).all()
    brightness = 0.12 * (1.6 / 0.12) ** numbers[2]
    assert levels[255] <= np.ceil(255 * min(brightness, 1))


def test_exposure_recomputed():
    numbers = np.array([0.2, 0.9, 0.3, 0, 0])
    level = (FACE[3, 4, 1] / 255) ** np.exp(0.6 * (2 * 0.2 - 1))
    level = np.clip(0.5 + (level - 0.5) * np.exp(0.5 * 0.8), 0, 1) * 0.12 * (1.6 / 0.12) ** 0.3
    assert APPLY["exposure"](FACE, numbers)[3, 4, 1] == round(255 * min(level, 1))


def test_gray_has_equal_channels():
    made = APPLY["gray"](FACE, np.zeros(PARAMETERS))
    assert (made == made[..., :1]).all()


@given(PARAMETER_LISTS)
def test_resolution_removes_high_frequencies(numbers):
    """Frequencies above those of a 56-pixel image are removed, for every interpolation."""
    spectrum, before = (
        np.abs(np.fft.rfft2(image[..., 1] * np.outer(np.hanning(SIDE), np.hanning(SIDE))))
        for image in (APPLY["resolution"](FACE, np.array(numbers)), FACE)
    )
    assert spectrum[40:72, 40:].mean() < 0.6 * before[40:72, 40:].mean() + 40


@given(PARAMETER_LISTS)
def test_noise_has_the_requested_standard_deviation(numbers):
    gray = np.full((SIDE, SIDE, 3), 128, np.uint8)
    wanted = 2 * (25 / 2) ** numbers[2]
    noise = APPLY["noise"](gray, np.array(numbers)).astype(float) - 128
    assert noise.std() == pytest.approx(np.sqrt(wanted**2 + 1 / 12), rel=0.03)
    assert abs(noise.mean()) < 0.5


def test_higher_jpeg_quality_reduces_the_error():
    errors = [np.abs(APPLY["JPEG"](FACE, np.full(PARAMETERS, q)).astype(int) - FACE).mean() for q in (0.0, 0.5, 0.999)]
    assert errors[0] > errors[1] > errors[2] > 0


def test_stronger_blur_reduces_contrast():
    deviations = [APPLY["blur"](FACE, np.full(PARAMETERS, q)).std() for q in (0.0, 0.5, 0.999)]
    assert FACE.std() > deviations[0] > deviations[1] > deviations[2]
