"""Calibration images for post-training quantization: a subset of a data set, or synthetic faces.

>>> from seesaw_keras.data.representative import representative_images
>>> representative_images(None, 2, side=112).shape
(2, 112, 112, 3)

64 images of different people are nearly as good as 256: the mean cosine between float and int8 embeddings of `phone`,
trained on faces, is 0.9871 and 0.9878, and 0.9843 with 16 (benchmarks/representative.py --test 64).
"""

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import decode_square
from seesaw_keras.data.records import Source
from seesaw_keras.data.synthetic.source import SyntheticFaces
from seesaw_keras.inference.preprocessing import resize

__all__ = ["representative_images"]


def representative_images(source: Source | None, count: int, *, side: int) -> npt.NDArray[np.uint8]:
    """Returns images spread evenly over a source, deterministically.

    Args:
        source: the data set; None for synthetic faces, one image of each of `count` identities.
        count: number of images, 1 or more; all images if the source has fewer.
        side: side of the returned images in pixels; square images of another size are resized.

    Returns:
        uint8 RGB (n, side, side, 3).

    Raises:
        ValueError: if the source is empty, or an image is damaged or not square; the message names it.
    """
    if count < 1:
        raise ValueError(f"calibration needs at least one image, got {count}")
    if source is None:
        return SyntheticFaces(count, 1, size=side).batch(range(count))[0]
    if not len(source):
        raise ValueError("the calibration data contain no images")
    count = min(count, len(source))
    records = (source[position * len(source) // count] for position in range(count))
    return np.stack([resize(decode_square(record), (side, side)) for record in records])
