"""The images for calibration: spread over the source, scaled, always the same."""

import cv2
import numpy as np
import pytest

from seesaw_keras.data.records import Record, Source
from seesaw_keras.data.representative import representative_images
from seesaw_keras.data.synthetic import SyntheticFaces


class Grays(Source):
    """Record i is an image of the gray i."""

    def __init__(self, count, shape=(8, 8)):
        self._count, self._shape = count, shape

    def __len__(self):
        return self._count

    def _record(self, position):
        image = np.full((*self._shape, 3), position, np.uint8)
        return Record(cv2.imencode(".png", image)[1].tobytes(), 0, f"grays[{position}]")


def test_are_spread_over_the_source():
    assert representative_images(Grays(100), 4, side=8)[:, 0, 0, 0].tolist() == [0, 25, 50, 75]
    assert representative_images(Grays(3), 10, side=8)[:, 0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("side", [4, 16])
def test_are_scaled(side):
    images = representative_images(Grays(2), 2, side=side)
    assert images.shape == (2, side, side, 3)
    assert images[1].min() == images[1].max() == 1


def test_are_synthetic_faces_by_default():
    images = representative_images(None, 3, side=32)
    faces = SyntheticFaces(3, 1, size=32)
    np.testing.assert_array_equal(images, [faces.array(position) for position in range(3)])


def test_bad_sources_are_named():
    with pytest.raises(ValueError, match=r"grays\[0\]: 9 x 8 pixels are not square"):
        representative_images(Grays(1, (8, 9)), 1, side=8)
    with pytest.raises(ValueError, match="contain no images"):
        representative_images(Grays(0), 1, side=8)
    with pytest.raises(ValueError, match="at least one image, got 0"):
        representative_images(None, 0, side=8)
