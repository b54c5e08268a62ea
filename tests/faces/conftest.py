import cv2
import numpy as np
import pytest

from seesaw_keras.faces import Face
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.interface import store_facts


class Rectangles:
    """A detector that takes every white rectangle for a face, for tests that need faces without a face."""

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


@pytest.fixture
def pixel_network(tmp_path):
    """Returns a function that writes a .tflite whose embedding is its input, the pixels, and returns the path.

    By default it takes 8x8 images and is as `seesaw_keras.tflite.convert` makes them, with a threshold of 0.5.
    """

    def write(name="pixels.tflite", *, type="FLOAT32", size=(8, 8), own=True, **facts):
        quantization = Quantization(1 / 127.5, 0) if type == "INT8" else None
        length = 3 * size[0] * size[1]
        image = Tensor("image", (1, *size, 3), type, quantization)
        embedding = Tensor("embedding", (1, length), type, quantization)
        shape = Tensor.constant("shape", np.array([1, length], np.int32))
        model = flatbuffer.build(Operator("RESHAPE", [image, shape], [embedding], {"new_shape": (1, length)}))
        if own:
            store_facts(model, **{"threshold": 0.5, **facts})
        flatbuffer.write(tmp_path / name, model)
        return tmp_path / name

    return write
