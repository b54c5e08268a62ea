"""Effect of the number and choice of calibration images on the accuracy of int8 embeddings.

    python benchmarks/representative.py --model network.keras

Converts a network with ranges calibrated on 1 to 256 faces spaced evenly over --data (synthetic faces by default), as
in tools/convert_tflite.py; with full min-max ranges instead of minimum-noise ranges; on images of a single synthetic
identity; and on noise. Each row compares the int8 embeddings of --test other synthetic faces with those of the float
network: mean and minimum cosine, and the signal-to-quantization-noise ratio of the last layer. The network should be
trained: with random weights, any noise changes the embedding completely.
"""

from collections.abc import Iterator
from unittest import mock

import numpy as np

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data import open_source
from seesaw_keras.data.representative import representative_images
from seesaw_keras.data.synthetic.source import SyntheticFaces
from seesaw_keras.tflite.conversion import range_calibration
from seesaw_keras.tflite.conversion.range_calibration import SHARES

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "A .keras file or a SavedModel folder.", required=True)
FLAGS.DEFINE_string("data", None, "Calibration data. Default: synthetic faces.")
FLAGS.DEFINE_integer("test", 256, "Number of faces whose embeddings are compared.", 1)

COUNTS = (1, 4, 16, 64, 256)
FEW = 64  # number of images for the unsuitable choices
OTHER_POPULATION = 1  # seed of the test faces; the single identity uses the next one


def choices(side: int) -> Iterator[tuple[str, np.ndarray, tuple[float, ...]]]:
    """Yields a name, uint8 calibration images, and the fractions of the min-max span to try as ranges."""
    source = open_source(FLAGS.data) if FLAGS.data else None
    for count in COUNTS:
        yield f"{count} evenly spaced", representative_images(source, count, side=side), SHARES
    yield f"{FEW} evenly spaced, full min-max ranges", representative_images(source, FEW, side=side), SHARES[:1]
    one = SyntheticFaces(1, FEW, size=side, seed=OTHER_POPULATION + 1)
    yield f"{FEW} of one person", one.batch(range(FEW))[0], SHARES
    yield f"{FEW} of noise", np.random.default_rng(0).integers(0, 256, (FEW, side, side, 3), np.uint8), SHARES


def main() -> None:
    """Measures and prints one row per choice."""
    quiet_tensorflow()
    from seesaw_keras.compression.loading import load_network
    from seesaw_keras.tflite.analysis.quantization_error import quantization_errors
    from seesaw_keras.tflite.conversion.convert import convert, input_shape
    from seesaw_keras.tflite.conversion.interface import pixel_table
    from seesaw_keras.tflite.flatbuffer import Model
    from seesaw_keras.tflite.runtimes import open_runtime

    def embed(model: Model, name: str) -> np.ndarray:
        runtime = open_runtime(name, model)
        rows = runtime.model.main.outputs[0].real(runtime.run(pixel_table(runtime.model)[faces]))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    network = load_network(FLAGS.model)
    side = input_shape(network)[0]
    faces = SyntheticFaces(FLAGS.test, 1, size=side, seed=OTHER_POPULATION).batch(range(FLAGS.test))[0]
    real = convert(network, type="float32")
    expected = embed(real, "xnnpack")
    print("| images | mean cosine | minimum cosine | last layer |\n| --- | ---: | ---: | ---: |")
    for name, images, shares in choices(side):
        with mock.patch.object(range_calibration, "SHARES", shares):
            quantized = convert(network, images=images)
        cosines = (expected * embed(quantized, "reference")).sum(1)
        *_, last = quantization_errors(real, quantized, faces)
        print(f"| {name} | {cosines.mean():.4f} | {cosines.min():.4f} | {last.total:.1f} dB |", flush=True)


if __name__ == "__main__":
    Command(main, FLAGS)()
