import cv2
import numpy as np
import pytest

from seesaw_keras.faces import Face


class Rectangles:
    """A detector that reports every white rectangle as a face, for tests without real faces."""

    # Of a face box: where a white rectangle has its eyes, nose and corners of the mouth.
    POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])

    description = "white rectangles"

    def __init__(self):
        self.images = 0

    @staticmethod
    def boxes(image):
        """Returns x, y, width, height of connected white areas, (n, 4), the largest first."""
        _, _, stats, _ = cv2.connectedComponentsWithStats((image.min(axis=2) > 200).astype(np.uint8))
        boxes = stats[1:, :4]
        return boxes[np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")]

    def detect(self, image):
        self.images += 1
        return [
            Face(box.astype(np.float32), 0.9, (self.POINTS * box[2:] + box[:2]).astype(np.float32))
            for box in self.boxes(image)
            if box[2] > 10
        ]


@pytest.fixture
def rectangles():
    return Rectangles()


@pytest.fixture
def picture():
    """Returns a function that draws white boxes on black."""

    def draw(height, width, *boxes):
        image = np.zeros((height, width, 3), np.uint8)
        for x, y, w, h in boxes:
            image[y : y + h, x : x + w] = 255
        return image

    return draw
