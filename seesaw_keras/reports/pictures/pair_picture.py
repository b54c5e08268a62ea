"""HTML figure of a pair of faces with a caption.

>>> from seesaw_keras.data.sources import open_pairs
>>> from seesaw_keras.reports.pictures.pair_picture import pair_picture
>>> pair_picture(open_pairs("synthetic:40@32"), 0, "cosine 0.712")[:21]
'<figure class="pair">'
"""

import html

import cv2
import numpy as np

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.reports.pages import data_uri

__all__ = ["pair_picture"]

THUMBNAIL = 112  # length of the longer side in pixels


def pair_picture(pairs: Pairs, pair: int, caption: str) -> str:
    """Returns both images of a pair side by side, with a caption and their names, as HTML.

    Args:
        pairs: the pairs.
        pair: index of the pair.
        caption: plain text.

    Raises:
        ValueError: if an image cannot be decoded.
    """
    left, right = (int(image) for image in pairs.index[pair])
    names = f"{html.escape(_short(pairs.names[left]))}<br>{html.escape(_short(pairs.names[right]))}"
    return (
        f'<figure class="pair"><div>{_thumbnail(pairs, left)}{_thumbnail(pairs, right)}</div>'
        f"<figcaption><b>{html.escape(caption)}</b><br>{names}</figcaption></figure>"
    )


def _thumbnail(pairs: Pairs, image: int) -> str:
    pixels: np.ndarray = decode_image(pairs.read(image), name=pairs.names[image])
    shrink = min(1.0, THUMBNAIL / max(pixels.shape[:2]))
    if shrink < 1:
        pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    name = html.escape(pairs.names[image])
    return f'<img alt="{name}" title="{name}" src="{data_uri(encoded.tobytes(), "jpeg")}">'


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1]
