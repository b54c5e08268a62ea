"""Traces one image through a flatbuffer, operator by operator, and writes an HTML report.

    seesaw explain_tflite shuffle_int8.tflite face.jpg --float shuffle_float32.tflite --out shuffle.html

The report shows for every operator: shapes, scale, representable and actual range, number of saturated entries, the
quantization error added by the operator, and images of its feature maps. With --float, the same network in float32
(`seesaw convert_tflite --type float32`), it also shows the cumulative error. The image is an aligned face
(`seesaw align_faces`), or the first one of --data; it is resized to the network's input size. Integers are computed as
in LiteRT's reference kernels, or as in TFLite Micro with --flavor tflm.
"""

from pathlib import Path

import cv2
import numpy as np

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.sources import open_source
from seesaw_keras.inference.embedders import FlatbufferEmbedder, load_embedder
from seesaw_keras.inference.preprocessing import PREPROCESSES, resize
from seesaw_keras.reports.explain_page import write_page
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.explain import explain
from seesaw_keras.tflite.reference import FLAVORS

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("float", None, "The same network as a float32 .tflite, the reference for the quantization error.")
FLAGS.DEFINE_string("data", None, "Data set whose first image is used: .rec, .tfrecord, .csv, .zip, or a folder.")
FLAGS.DEFINE_enum("flavor", "litert", list(FLAVORS), "Arithmetic of LiteRT's reference kernels or of TFLite Micro.")
FLAGS.DEFINE_enum("preprocess", None, list(PREPROCESSES), "Model's input preprocessing. Default: pm1.")
FLAGS.DEFINE_string("out", None, "HTML file to write. Default: the model's path with the suffix .html.")


def given_image(names: list[str]) -> np.ndarray:
    """Returns the image named on the command line, or the first one of --data, as uint8 RGB."""
    if names:
        return decode_image(Path(names[0]).read_bytes(), name=names[0])
    source = open_source(FLAGS.data)
    if not len(source):
        raise ValueError(f"{FLAGS.data}: contains no image")
    return decode_image(source[0].image, name=source[0].name)


def prepared(path: str, pixels: np.ndarray) -> tuple[flatbuffer.Model, np.ndarray, np.ndarray]:
    """Returns the model, the image resized to its input size, and the preprocessed input."""
    network = load_embedder(path, preprocess=FLAGS.preprocess, runtime="reference")
    if not isinstance(network, FlatbufferEmbedder):
        raise ValueError(f"{path}: expected a .tflite file; `seesaw convert_tflite` creates one")
    height, width = network.input_size
    pixels = resize(pixels, (width, height), growing=cv2.INTER_AREA)
    return network.model, pixels, network.inputs(pixels[None])


def main(arguments: list[str]) -> None:
    """Traces the image and writes the report."""
    if len(arguments) != (1 if FLAGS.data else 2):
        raise ValueError("give a .tflite file and an image, or --data instead of the image; see --help")
    path, *names = arguments
    model, pixels, image = prepared(path, given_image(names))
    real = None
    if FLAGS.float:
        plain, _, given = prepared(FLAGS.float, pixels)
        real = plain, given
    steps = explain(model, image, real, flavor=FLAGS.flavor)
    out = FLAGS.out or str(Path(path).with_suffix(".html"))
    write_page(
        out, steps, model=model, name=Path(path).name, pixels=pixels, real=Path(FLAGS.float).name if FLAGS.float else ""
    )
    clamped = sum(sum(step.saturated) for step in steps)
    lost = f", {100 * steps[-1].error:.2f}% of the output lost" if steps[-1].error is not None else ""
    print(f"{out}: {len(steps)} tensors, {clamped:,} entries saturated{lost}")


run = Command(main, FLAGS, positional=True)
