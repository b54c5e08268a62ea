import cv2
import numpy as np
import pytest

from seesaw_keras.inference.preprocessing import PREPROCESSES, InputLayout, resize, to_input

HWC = InputLayout(6, 6, channels_first=False)
FLOAT = np.dtype(np.float32)


def every_pixel_value():
    """An image (16, 16, 3) in which each channel holds each of 256 values once, in other orders."""
    values = np.arange(256, dtype=np.uint8)
    return np.stack([values, values[::-1], np.roll(values, 100)], axis=-1).reshape(16, 16, 3)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("pm1", lambda x: (x - 127.5) / 127.5),
        ("127.5/128", lambda x: (x - 127.5) / 128),
        ("raw", lambda x: x),
        ("imagenet", lambda x: (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])),
    ],
)
def test_float_inputs_are_the_formula(name, formula):
    layout = InputLayout(16, 16, channels_first=False)
    image = every_pixel_value()
    got = to_input(image, layout.table(name, FLOAT), layout)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, formula(image.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, 0), (np.int8, -1), (np.uint8, 128)])
def test_quantized_inputs_round_and_clip(dtype, zero_point):
    layout = InputLayout(16, 16, channels_first=False)
    image = every_pixel_value()
    got = to_input(image, layout.table("pm1", np.dtype(dtype), 1 / 127, zero_point), layout)
    real = (image.astype(np.float64) - 127.5) / 127.5
    limits = np.iinfo(dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.clip(np.rint(real * 127) + zero_point, limits.min, limits.max))


def test_uint8_input_for_raw_pixels_is_the_pixels():
    image = every_pixel_value()
    layout = InputLayout(16, 16, channels_first=False)
    np.testing.assert_array_equal(to_input(image, layout.table("raw", np.dtype(np.uint8), 1.0, 0), layout), image)
    np.testing.assert_array_equal(to_input(image, layout.table("raw", np.dtype(np.uint8)), layout), image)


def test_a_preprocess_that_the_quantized_input_was_not_made_for():
    with pytest.raises(ValueError, match="'pm1' leaves 2 of 256 levels in this uint8 input"):
        HWC.table("pm1", np.dtype(np.uint8), 1.0, 0)
    with pytest.raises(ValueError, match="'raw' leaves 2 of 256 levels in this int8 input"):
        HWC.table("raw", np.dtype(np.int8), 1 / 127.5, 125)


def test_unknown_names_and_types():
    with pytest.raises(ValueError, match=f"'centered': .* All: {', '.join(PREPROCESSES)}"):
        HWC.table("centered", FLOAT)
    with pytest.raises(ValueError, match="unsupported input type float64: expected float32, uint8 or int8"):
        HWC.table("pm1", np.dtype(np.float64))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 112, 96, 3), InputLayout(112, 96, channels_first=False)),
        ((-1, 112, 96, 3), InputLayout(112, 96, channels_first=False)),
        (("batch", 3, 112, 96), InputLayout(112, 96, channels_first=True)),
        ((None, 3, 112, 112), InputLayout(112, 112, channels_first=True)),
    ],
)
def test_layout_of_a_shape(shape, expected):
    assert InputLayout.of_shape(shape, "model") == expected


@pytest.mark.parametrize("shape", [(1, 112, 112, 1), (1, 112, 112), (4, 112, 112, 3), (1, None, None, 3), (1, 512)])
def test_shapes_that_take_no_single_images(shape):
    with pytest.raises(ValueError, match=r"net\.onnx: unsupported input shape .*: expected single RGB images"):
        InputLayout.of_shape(shape, "net.onnx")


def test_channels_first():
    layout = InputLayout(16, 16, channels_first=True)
    image = every_pixel_value()
    got = to_input(image, layout.table("raw", FLOAT), layout)
    np.testing.assert_array_equal(got, image.transpose(2, 0, 1))


def test_wider_images_lose_as_much_on_both_sides():
    layout = InputLayout(112, 96, channels_first=False)
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    np.testing.assert_array_equal(to_input(image, layout.table("raw", FLOAT), layout), image[:, 8:-8])
    turned = to_input(image.transpose(1, 0, 2), layout.table("raw", FLOAT), InputLayout(96, 112, channels_first=False))
    np.testing.assert_array_equal(turned, image.transpose(1, 0, 2)[8:-8])


def test_larger_images_of_the_same_shape_are_averaged():
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    mean = image.reshape(6, 2, 6, 2, 3).mean(axis=(1, 3))
    assert np.abs(to_input(image, HWC.table("raw", FLOAT), HWC) - mean).max() <= 0.5


@pytest.mark.parametrize("size", [(6, 5), (5, 6), (8, 7), (12, 6 - 1)])
def test_images_that_do_not_fit(size):
    with pytest.raises(ValueError, match=f"images of {size[0]}x{size[1]} do not fit a model of 6x6"):
        to_input(np.zeros((*size, 3), np.uint8), HWC.table("raw", FLOAT), HWC)


def test_resize():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert resize(image, (8, 8)) is image
    np.testing.assert_allclose(resize(image, (4, 4)), image.reshape(4, 2, 4, 2).mean(axis=(1, 3)), atol=0.5)
    assert resize(image, (16, 8)).shape == (8, 16)
    large = cv2.resize(image, (16, 16), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(resize(image, (16, 16), growing=cv2.INTER_CUBIC), large)
