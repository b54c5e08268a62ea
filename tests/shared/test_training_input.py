"""The real faces of ../shared/faces as training input: the pixels that TensorFlow decodes, at the right labels."""

from pathlib import Path

import numpy as np

from seesaw_keras.data import open_source
from seesaw_keras.data.training_input import TrainingInput
from seesaw_keras.data.views import Views

FACES = Path(__file__).resolve().parents[2].parent / "shared" / "faces"


def test_recordio_feeds_training():
    import tensorflow as tf

    source = open_source(FACES)
    faces = TrainingInput(source, batch_size=64, views=Views(flip=False), images_per_identity=4)
    assert (faces.num_images, faces.num_classes, faces.steps_per_epoch) == (39_993, 8_000, 624)
    for step, (images, labels) in enumerate(faces.dataset(epoch=2, step=620, epochs=3), 620):
        for image, label, index in zip(images.numpy(), labels.numpy(), faces.batch_indices(2, step), strict=True):
            assert label == source[index].label
            expected = tf.io.decode_jpeg(source[index].image, channels=3, dct_method="INTEGER_ACCURATE")
            np.testing.assert_allclose(image * 127.5 + 127.5, expected, rtol=0, atol=1.001)
    assert step == 623
