"""Thumbnails of a pair of faces with a caption, for HTML pages.

>>> from seesaw_keras.data.sources import open_pairs
>>> from seesaw_keras.reports.pictures.pair_picture import pair_picture
>>> pair_picture(open_pairs("synthetic:40@32"), 0, "cosine 0.712").caption
'cosine 0.712'
"""

from typing import NamedTuple

import cv2
import numpy as np

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs

__all__ = ["PairPicture", "Thumbnail", "pair_picture"]

LONGER_SIDE = 112  # of a thumbnail, in pixels


class Thumbnail(NamedTuple):
    """An image of a pair: its name, and the thumbnail as JPEG."""

    name: str
    jpeg: bytes


class PairPicture(NamedTuple):
    """What the macro `pair` of the templates shows."""

    images: tuple[Thumbnail, Thumbnail]
    caption: str


def pair_picture(pairs: Pairs, pair: int, caption: str) -> PairPicture:
    """Returns the thumbnails of a pair.

    Args:
        pairs: the pairs.
        pair: index of the pair.
        caption: plain text.

    Raises:
        ValueError: if an image cannot be decoded.
    """
    left, right = (int(image) for image in pairs.index[pair])
    return PairPicture((_thumbnail(pairs, left), _thumbnail(pairs, right)), caption)


def _thumbnail(pairs: Pairs, image: int) -> Thumbnail:
    pixels: np.ndarray = decode_image(pairs.read(image), name=pairs.names[image])
    shrink = min(1.0, LONGER_SIDE / max(pixels.shape[:2]))
    if shrink < 1:
        pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return Thumbnail(pairs.names[image], encoded.tobytes())
