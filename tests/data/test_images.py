import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seesaw_keras.data import decode_image, image_size

SMOOTH = cv2.resize(np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8), (33, 21))


def encode(pixels, form="PNG", mode=None, **options):
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, form, **options)
    return file.getvalue()


def pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth=8, color=2, rows=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


LOSSLESS = {
    "PNG": encode(SMOOTH),
    "WebP": encode(SMOOTH, "WEBP", lossless=True),
    "BMP": encode(SMOOTH, "BMP"),
}
LOSSY = {
    "JPEG": encode(SMOOTH, "JPEG", quality=90),
    "progressive": encode(SMOOTH, "JPEG", progressive=True),
    "WebP": encode(SMOOTH, "WEBP", quality=80),
}


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_formats_give_the_pixels_back(form):
    image = decode_image(LOSSLESS[form], name=form)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, SMOOTH)


@pytest.mark.parametrize("form", LOSSY)
def test_lossy_formats_are_as_pillow_decodes_them(form):
    np.testing.assert_allclose(decode_image(LOSSY[form], name=form), pillow(LOSSY[form]), atol=2)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grayscale_and_palette_become_rgb(mode):
    data = encode(SMOOTH, mode=mode)
    np.testing.assert_array_equal(decode_image(data, name=mode), pillow(data))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_dropped(mode):
    alpha = np.linspace(0, 255, SMOOTH.shape[1]).astype(np.uint8)[None].repeat(len(SMOOTH), 0)
    if mode == "RGBA":
        data, expected = encode(np.dstack([SMOOTH, alpha])), SMOOTH
    elif mode == "LA":
        data = encode(np.dstack([SMOOTH[..., 0], alpha]))
        expected = SMOOTH[..., :1].repeat(3, 2)
    else:
        data = encode(SMOOTH, mode="P", transparency=3)
        expected = pillow(data)
    np.testing.assert_array_equal(decode_image(data, name=mode), expected)


def test_sixteen_bits_keep_the_upper_eight():
    values = np.random.default_rng(1).integers(0, 1 << 16, (7, 9, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    np.testing.assert_array_equal(decode_image(png(9, 7, 16, 2, rows), name="rgb"), values >> 8)
    rows = b"".join(b"\0" + row[:, 0].astype(">u2").tobytes() for row in values)
    np.testing.assert_array_equal(
        decode_image(png(9, 7, 16, 0, rows), name="gray"), (values >> 8)[..., :1].repeat(3, 2)
    )


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpeg(adobe):
    ink = np.zeros((32, 48, 4), np.uint8)
    ink[:, :16] = 200, 30, 60, 0
    ink[:, 16:32] = 0, 220, 10, 80
    ink[:, 32:] = 20, 20, 20, 230
    file = io.BytesIO()
    Image.fromarray(ink, "CMYK").save(file, "JPEG", quality=98)
    data = file.getvalue()
    if not adobe:
        start = data.index(b"\xff\xee")
        data = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    image = decode_image(data, name="cmyk.jpg")
    for left, (*colors, black) in zip((0, 16, 32), ink[0, ::16].astype(int), strict=True):
        expected = [(255 - color) * (255 - black) / 255 for color in colors]
        np.testing.assert_allclose(image[4:-4, left + 4 : left + 12].mean((0, 1)), expected, atol=4)


UPRIGHT = {  # what undoes each orientation of the EXIF standard, tag 0x0112
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    turned = decode_image(encode(SMOOTH, form, exif=exif, **options), name="turned")
    straight = decode_image(encode(SMOOTH, form, **options), name="straight")
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](straight))


def test_size_is_read_from_every_header():
    for height, width in [(1, 1), (7, 300), (301, 2)]:
        pixels = np.zeros((height, width, 3), np.uint8)
        transparent = np.zeros((height, width, 4), np.uint8)
        files = [encode(pixels, form) for form in ("PNG", "JPEG", "WEBP", "BMP")]
        files += [encode(pixels, "JPEG", progressive=True), encode(pixels, "WEBP", lossless=True)]
        files += [encode(transparent, "WEBP", exif=Image.Exif())]
        files += [cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes()]
        for data in files:
            assert image_size(data, name="x") == (height, width)


def test_a_thumbnail_inside_does_not_count():
    thumbnail = encode(SMOOTH[:4, :4], "JPEG")
    data = LOSSY["JPEG"]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    filled = data[:2] + segment + b"\xff\xff\xff" + data[2:]
    assert image_size(filled, name="x") == SMOOTH.shape[:2]
    np.testing.assert_array_equal(decode_image(filled, name="x"), decode_image(data, name="x"))


def test_what_follows_the_end_of_a_jpeg_does_no_harm():
    data = LOSSY["JPEG"]
    np.testing.assert_array_equal(decode_image(data + b"\xff\xd8 a film", name="x"), decode_image(data, name="x"))


def vp8x(width, height):
    body = (
        b"WEBPVP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    "PNG": png(60000, 60000, rows=bytes(100_000)),
    "JPEG": LOSSY["JPEG"].replace(struct.pack(">HH", *SMOOTH.shape[:2]), struct.pack(">HH", 65500, 65500), 1),
    "WebP": vp8x(1 << 24, 1 << 24),
    "WebP lossless": b"RIFF\x20\0\0\0WEBPVP8L\x10\0\0\0\x2f" + struct.pack("<I", 16383 | 16383 << 14) + bytes(16),
    "BMP": b"BM" + bytes(12) + struct.pack("<Iii", 40, 60000, -60000) + bytes(40),
}


@pytest.mark.parametrize("form", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(form, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert len(BOMBS[form]) < 4096
    with pytest.raises(ValueError, match=r"^mail\.bin\[3\]: declares \d{5,} x \d{5,} pixels.*max_pixels"):
        decode_image(BOMBS[form], name="mail.bin[3]")


def test_max_pixels_is_the_most_that_is_read():
    height, width = SMOOTH.shape[:2]
    assert decode_image(LOSSLESS["PNG"], name="x", max_pixels=height * width).shape == SMOOTH.shape
    with pytest.raises(ValueError, match="max_pixels"):
        decode_image(LOSSLESS["PNG"], name="x", max_pixels=height * width - 1)


def test_a_jpeg_of_endless_scans_is_refused():
    data = LOSSY["progressive"]
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    assert image_size(data[:-2] + scan * 50 + data[-2:], name="x") == SMOOTH.shape[:2]
    with pytest.raises(ValueError, match="more than 100 scans"):
        image_size(data[:-2] + scan * 101 + data[-2:], name="x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<html>no such page</html>", "not a JPEG, PNG, WebP or BMP: it starts with 3c 68 74 6d"),
        (b"GIF89a" + bytes(40), "convert it"),
        (b"\xff\xd8", "truncated JPEG"),
        (b"\xff\xd8\xff\xd9", "without an image"),
        (LOSSLESS["PNG"][:20], "truncated header"),
        (png(0, 5), "0 x 5 pixels"),
    ],
)
def test_what_is_no_image_is_refused_by_name(data, message):
    with pytest.raises(ValueError, match=f"^alice/1.jpg: .*{message}"):
        decode_image(data, name="alice/1.jpg")


@pytest.mark.parametrize("form", ["JPEG", "progressive"])
def test_a_jpeg_is_refused_wherever_it_is_cut(form):
    data = LOSSY[form]
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"^cut\.jpg: "):
            image_size(data[:length], name="cut.jpg")


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_lossless_image_is_refused_wherever_it_is_cut(form):
    data = LOSSLESS[form]
    for length in range(0, len(data) - 1, 7):
        with pytest.raises(ValueError, match=r"^cut: "):
            decode_image(data[:length], name="cut")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_ends_in_an_image_or_a_named_error(damaged, data):
    good = data.draw(st.sampled_from([*LOSSLESS.values(), *LOSSY.values()]))
    bad = data.draw(damaged(good))
    try:
        image = decode_image(bad, name="bad", max_pixels=1 << 20)
    except ValueError as error:
        assert str(error).startswith("bad: ")
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
