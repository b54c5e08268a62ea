"""Difficulty of the synthetic faces: accuracy on unseen identities by pixels, color and a trained network.

    python benchmarks/synthetic_difficulty.py
    python benchmarks/synthetic_difficulty.py --identities 1000 --epochs 20

The network is a MobileFaceNet with width 0.25 at 32x32, trained as an identity classifier. Takes a few minutes on two
cores.
"""

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.data.synthetic import SyntheticFaces, synthetic_pairs

FLAGS = Flags()
FLAGS.DEFINE_integer("identities", 2000, "Number of identities to train on.", lower_bound=2)
FLAGS.DEFINE_integer("images", 10, "Images per identity.", lower_bound=1)
FLAGS.DEFINE_integer("pairs", 2000, "Number of verification pairs of unseen identities.", lower_bound=40)
FLAGS.DEFINE_integer("size", 32, "Side of the images in pixels, a multiple of 16.", lower_bound=16)
FLAGS.DEFINE_integer("epochs", 14, "Number of epochs.", lower_bound=1)

BATCH = 64
SCALE = 16.0  # scale of the cosines before the softmax
RATE = 3e-3


def accuracy(embeddings: np.ndarray, pairs: Pairs) -> float:
    """Returns the mean accuracy over the folds in percent, each with the best threshold on the other folds."""
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)
    likeness = (unit[pairs.index[:, 0]] * unit[pairs.index[:, 1]]).sum(1)
    thresholds = np.sort(likeness)
    right = (likeness >= thresholds[:, None]) == pairs.same  # (thresholds, pairs)
    scores = []
    for fold in np.unique(pairs.folds):
        here = pairs.folds == fold
        scores.append(right[right[:, ~here].mean(1).argmax()][here].mean())
    return 100 * float(np.mean(scores))


def histograms(images: np.ndarray) -> np.ndarray:
    """Returns an eight-bin histogram per color channel of each image."""
    rows = [[np.bincount(image[..., c].ravel() >> 5, minlength=8) for c in range(3)] for image in images]
    return np.array(rows, np.float32).reshape(len(images), -1)


def train(images: np.ndarray, labels: np.ndarray) -> Any:
    """Trains the network and returns it without its classifier."""
    import tensorflow as tf

    from seesaw_keras.api import keras
    from seesaw_keras.models import build

    keras.utils.set_random_seed(0)
    side, classes = images.shape[1], int(labels.max()) + 1
    network = build("mobilefacenet", input_shape=(side, side, 3), width=0.25, embedding_size=64, activation="relu")
    cosines = keras.layers.Dense(classes, use_bias=False, kernel_constraint=keras.constraints.UnitNorm(0))
    model = keras.Model(network.input, cosines(network.output) * SCALE)
    steps = FLAGS.epochs * (len(images) // BATCH)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images), seed=0)
    data = data.map(lambda x, y: (tf.image.random_flip_left_right(tf.cast(x, tf.float32) / 127.5 - 1.0), y))
    model.fit(data.batch(BATCH, drop_remainder=True), epochs=FLAGS.epochs, verbose=0)
    return network


def results() -> Iterator[tuple[str, float]]:
    """Yields the name of each method and its accuracy in percent."""
    faces = SyntheticFaces(FLAGS.identities, FLAGS.images, size=FLAGS.size)
    images, labels = faces.batch(range(len(faces)))
    pairs = synthetic_pairs(FLAGS.pairs, size=FLAGS.size)
    unseen = np.stack([decode_image(pairs.read(i), name=name) for i, name in enumerate(pairs.names)])
    pixels = unseen.reshape(len(unseen), -1).astype(np.float32)
    yield "pixels minus their mean", accuracy(pixels - images.reshape(len(images), -1).mean(0), pairs)
    counts = histograms(unseen)
    yield "color histogram", accuracy(counts - counts.mean(0), pairs)
    network = train(images, labels)
    yield "network", accuracy(network.predict(unseen / np.float32(127.5) - 1.0, batch_size=256, verbose=0), pairs)


def main() -> None:
    """Prints one line per method."""
    cv2.setNumThreads(1)
    quiet_tensorflow()
    start = time.perf_counter()
    for name, percent in results():
        print(f"{name}: {percent:.1f}% of {FLAGS.pairs} pairs, after {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    Command(main, FLAGS)()
