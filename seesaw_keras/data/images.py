"""Image decoding: encoded bytes to uint8 RGB, or a ValueError that names the image.

>>> from pathlib import Path
>>> from seesaw_keras.data.images import decode_image
>>> image = decode_image(Path("alice/001.jpg").read_bytes(), name="alice/001.jpg")  # doctest: +SKIP
>>> image.shape, image.dtype  # doctest: +SKIP
((112, 112, 3), dtype('uint8'))
"""

import re
import struct

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.records import Record

__all__ = ["IMAGE_SUFFIXES", "decode_image", "decode_square", "image_size"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MAX_PIXELS = 1 << 27  # 400 MB decoded; phone cameras produce 12 to 50 megapixels by default

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Frame headers SOF0 to SOF15; C4, C8 and CC in between are tables and a reserved marker (ITU-T T.81, table B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST0 to RST7 have no length
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_JPEG_SCAN_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
# An empty progressive scan takes five bytes but a pass over all coefficients: a thousand of them take minutes.
_MAX_SCANS = 100


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Parses the markers as libjpeg does, up to the end of the image, and returns the frame's (height, width)."""
    size = None
    scans = 0
    marker = _JPEG_MARKER.search(data, 2)
    while marker and marker[1][0] != _JPEG_END:
        kind, position = marker[1][0], marker.end()
        if kind in _JPEG_BARE:
            marker = _JPEG_MARKER.search(data, position)
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2:
            raise ValueError(f"a JPEG segment declares {length} bytes, the minimum is 2")
        if kind in _JPEG_FRAMES:
            if size:
                raise ValueError("a JPEG with two frames")
            size = struct.unpack_from(">HH", data, position + 3)
        scans += kind == _JPEG_SCAN
        if scans > _MAX_SCANS:
            raise ValueError(f"a JPEG with more than {_MAX_SCANS} scans, probably crafted to be slow to decode")
        following = _JPEG_SCAN_MARKER if kind == _JPEG_SCAN else _JPEG_MARKER
        marker = following.search(data, position + length)
    if not marker:
        raise ValueError("a truncated JPEG: its end marker is missing")
    if not size or not scans:
        raise ValueError("a JPEG without an image")
    return size


def _png_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":  # the canvas; libwebp rejects frames that do not fit it
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return (high_h << 16 | low_h) + 1, (high_w << 16 | low_w) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(height), abs(width)  # a negative height means that the top row comes first


def image_size(data: bytes, *, name: str) -> tuple[int, int]:
    """Returns the size that an encoded image declares, without decoding it.

    Args:
        data: a JPEG, PNG, WebP or BMP file.
        name: origin of the bytes, for error messages.

    Returns:
        (height, width) in pixels as stored, before any EXIF orientation.

    Raises:
        ValueError: if the bytes are in none of these formats, are truncated, or declare zero pixels.
    """
    try:
        if data[:2] == b"\xff\xd8":
            size = _jpeg_size(data)
        elif data[:8] == _PNG_SIGNATURE:
            size = _png_size(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            size = _webp_size(data)
        elif data[:2] == b"BM":
            size = _bmp_size(data)
        else:
            found = f"starts with {data[:8].hex(' ')}" if data else "is empty"
            raise ValueError(f"not a JPEG, PNG, WebP or BMP: it {found}; convert it to one of them")
    except struct.error as error:
        raise ValueError(f"{name}: a truncated header; copy the image again") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if 0 in size:
        raise ValueError(f"{name}: an image of {size[1]} x {size[0]} pixels")
    return size


def decode_image(data: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Decodes an image to upright RGB.

    EXIF orientation is applied. Grayscale becomes three equal channels; palettes and CMYK become RGB. 16-bit channels
    are reduced to their upper 8 bits. An alpha channel is dropped: the colors stored under transparent pixels show (as
    with Pillow's `convert("RGB")`). Animations are reduced to their first frame. A JPEG without an end marker is
    rejected, because decoders fill the missing part with gray.

    Args:
        data: a JPEG, PNG, WebP or BMP file.
        name: origin of the bytes, for error messages.
        max_pixels: an image that declares more pixels is rejected before memory is allocated for it.

    Returns:
        uint8 (height, width, 3), RGB, contiguous.

    Raises:
        ValueError: if `data` is not an image, is damaged or is too large; the message starts with `name`.
    """
    height, width = image_size(data, name=name)
    if height * width > max_pixels:
        raise ValueError(
            f"{name}: declares {width} x {height} pixels, more than max_pixels={max_pixels}; scale it down, or raise "
            f"the limit if you trust it"
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ValueError(f"{name}: OpenCV cannot decode it: {error.err}; save the image again") from error
    if image is None:
        raise ValueError(f"{name}: OpenCV cannot decode it: it is damaged; save the image again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)  # type: ignore[return-value]


def decode_square(record: Record) -> npt.NDArray[np.uint8]:
    """Decodes the image of an aligned face, as `decode_image` does.

    Returns:
        uint8 RGB (side, side, 3).

    Raises:
        ValueError: if the image is undecodable or not square; the message starts with the record's name.
    """
    image = decode_image(record.image, name=record.name)
    height, width = image.shape[:2]
    if height != width:
        raise ValueError(f"{record.name}: {width} x {height} pixels are not square; align the faces first")
    return image
