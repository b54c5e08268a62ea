from statistics import NormalDist

import cv2
import numpy as np
import pytest

from seesaw_keras.data.synthetic.drawing.camera import MAX_NOISE, NOISE_STEPS, _noise_table
from seesaw_keras.data.synthetic.drawing.camera import apply_camera as overwrite
from seesaw_keras.data.synthetic.drawing.conditions import Camera
from seesaw_keras.data.synthetic.stable_rng import StableRng


def apply_camera(light, camera, rng, scale):
    return overwrite(light.copy(), camera, rng, scale=scale)


@pytest.fixture
def light():
    return (np.random.default_rng(0).uniform(-40, 300, (3, 48, 48))).astype(np.float32)


def test_an_ideal_camera_rounds_and_limits(light):
    expected = np.clip(np.floor(light + 0.5), 0, 255).transpose(1, 2, 0)
    assert (apply_camera(light, Camera(), StableRng(1), scale=1.0) == expected).all()


def test_exposure_contrast_and_gamma_are_the_formula(light):
    exposed = np.clip(np.floor(light * np.float32(0.8) + np.float32(0.5)), 0, 255).transpose(1, 2, 0)
    tones = np.clip(((exposed / 255.0) ** 1.3 - 0.5) * 1.2 + 0.5, 0, 1) * 255
    taken = apply_camera(light, Camera(exposure=0.8, contrast=1.2, gamma=1.3), StableRng(1), scale=1.0)
    assert np.abs(taken - tones).max() <= 0.5 + 1e-3


def test_without_saturation_the_picture_is_gray(light):
    taken = apply_camera(light, Camera(saturation=0.0), StableRng(1), scale=1.0)
    assert np.ptp(taken, axis=2).max() == 0
    luma = np.tensordot([0.3, 0.59, 0.11], light, 1)
    assert np.abs(taken[..., 0] - np.clip(luma, 0, 255)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("step", [1, 7, NOISE_STEPS])
def test_noise_follows_the_quantiles_of_a_gaussian(step):
    deviation = step * MAX_NOISE / NOISE_STEPS
    exact = [NormalDist(0, deviation).inv_cdf((i + 0.5) / 256) for i in range(256)]
    assert np.abs(_noise_table(step) - exact).max() <= 0.5 + 0.02 * deviation


def test_noise_depends_on_the_dice_alone():
    gray = np.full((3, 64, 64), 128, np.float32)
    camera = Camera(noise=8.0)
    first = apply_camera(gray, camera, StableRng(1), scale=1.0)
    assert (first == apply_camera(gray, camera, StableRng(1), scale=1.0)).all()
    assert (first != apply_camera(gray, camera, StableRng(2), scale=1.0)).any()
    assert abs(first.astype(float).std() - 8.0) < 0.3


def test_blur_scales_with_the_picture():
    edge = np.zeros((3, 64, 64), np.float32)
    edge[:, :, 32:] = 255
    narrow, wide = (
        apply_camera(edge, Camera(blur=1.0), StableRng(1), scale=scale)[32, :, 0].astype(float) for scale in (1.0, 2.0)
    )
    # The slope of a blurred edge is a Gaussian of that deviation.
    for row, deviation in ((narrow, 1.0), (wide, 2.0)):
        slope = np.diff(row)
        place = np.arange(63) - 31
        assert abs(np.sqrt((slope * place**2).sum() / slope.sum()) - deviation) < 0.12 * deviation


@pytest.mark.parametrize("upright", [False, True])
def test_motion_blurs_one_direction(upright):
    dot = np.zeros((3, 33, 33), np.float32)
    dot[:, 16, 16] = 250
    taken = apply_camera(dot, Camera(motion=5.0, motion_upright=upright), StableRng(1), scale=1.0)[..., 0]
    rows, columns = np.nonzero(taken)
    assert (len(set(rows)), len(set(columns))) == ((5, 1) if upright else (1, 5))


def test_compression_is_that_of_jpeg(light):
    plain = apply_camera(light, Camera(), StableRng(1), scale=1.0)
    data = cv2.imencode(".jpg", plain[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 30))[1]
    expected = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    assert (apply_camera(light, Camera(jpeg=30), StableRng(1), scale=1.0) == expected).all()


def test_a_low_resolution_loses_detail_and_keeps_the_mean(light):
    sharp = apply_camera(light, Camera(), StableRng(1), scale=1.0).astype(float)
    coarse = apply_camera(light, Camera(resolution=0.25), StableRng(1), scale=1.0).astype(float)
    assert coarse.std() < 0.5 * sharp.std()
    assert abs(coarse.mean() - sharp.mean()) < 2
