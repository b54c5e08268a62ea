"""Compares the results of a flatbuffer in LiteRT's reference kernels, XNNPACK, TFLite Micro and NumPy.

    seesaw check_tflite --model shuffle_int8.tflite --inputs 32

The inputs are synthetic faces, the images of --data (folder, .zip, .rec, .tfrecord or .csv) if given, and adversarial
inputs: all minimum, all maximum, noise, one hot pixel. With --float, embeddings are also compared with those of the
float network. With --pairs (or a .bin for --data), verification accuracy is measured too, which takes minutes:

    seesaw check_tflite --model int8.tflite --float model.keras --data lfw.zip --pairs pairs.txt

With --audit, the tool lists for every kind of operator whether XNNPACK delegates it, whether TFLite Micro supports it
and whether CMSIS-NN has a kernel for it, with advice where not.

Models converted by this package store their input preprocessing; for other models, set --preprocess.

The exit code is 1 if LiteRT's reference kernels, TFLite Micro and this package's NumPy kernels differ in any integer of
any tensor, or if the model is marked as trained and the cosine between its XNNPACK and reference embeddings is below
0.995. Float entries differ if they are more than 1e-4 of the tensor's largest entry apart. The first operator with
different results is reported.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.data.representative import representative_images
from seesaw_keras.data.sources import open_pairs, open_source
from seesaw_keras.files import replacing
from seesaw_keras.inference.embedders import NetworkEmbedder, load_embedder
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.tflite.analysis.audit import audit
from seesaw_keras.tflite.checking.check import check
from seesaw_keras.tflite.checking.check_result import CheckResult
from seesaw_keras.tflite.flatbuffer import ModelFile
from seesaw_keras.verification.evaluation import evaluate

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Flatbuffer (.tflite) to check.", required=True)
FLAGS.DEFINE_integer("inputs", 32, "Number of images from --data, and of synthetic faces.", 1)
FLAGS.DEFINE_string("data", None, "Images to run in addition to synthetic faces.")
define_pairs_flag(FLAGS, "--data")
FLAGS.DEFINE_string("float", None, "Float network to compare with, in any format that `seesaw evaluate` accepts.")
FLAGS.DEFINE_enum("preprocess", None, list(PREPROCESSES), "Model's input preprocessing. Default: pm1.")
FLAGS.DEFINE_enum(
    "float_preprocess", None, list(PREPROCESSES), "Input preprocessing of --float. Default: same as --model."
)
FLAGS.DEFINE_integer("threads", 1, "Number of threads for XNNPACK.", 1)
FLAGS.DEFINE_bool("audit", False, "List which operators each runtime supports and accelerates.")
FLAGS.DEFINE_string("json", None, "JSON file to write all results to.")


def network(source: str, preprocess: str | None, runtime: str = "reference") -> NetworkEmbedder:
    """Loads a network.

    Raises:
        ValueError: the file cannot be loaded.
    """
    quiet_tensorflow(source)
    return load_embedder(source, preprocess=preprocess, threads=FLAGS.threads, runtime=runtime)


def given_images(side: int, pairs: Pairs | None) -> dict[str, Any]:
    """Returns groups of uint8 RGB images, each sampled evenly from its source."""
    groups: dict[str, Any] = {"synthetic": list(representative_images(None, FLAGS.inputs, side=side))}
    if pairs is not None:
        indices = np.linspace(0, len(pairs.names) - 1, min(FLAGS.inputs, len(pairs.names))).astype(int)
        groups["given"] = [decode_image(pairs.read(index), name=pairs.names[index]) for index in indices.tolist()]
    elif FLAGS.data:
        groups["given"] = list(representative_images(open_source(FLAGS.data), FLAGS.inputs, side=side))
    return groups


def accuracies(result: CheckResult, pairs: Pairs) -> dict[str, float]:
    """Returns ten-fold accuracies in percent by runtime; only one of several bit-exact runtimes is measured."""
    same = {equality.right for equality in result.equalities if not equality.differing}
    titles = {row.runtime: row.title for row in result.rows if row.title not in same}
    embedders = {title: network(FLAGS.model, FLAGS.preprocess, name) for name, title in titles.items()}
    if FLAGS.float:
        embedders["float"] = network(FLAGS.float, FLAGS.float_preprocess or FLAGS.preprocess)
    found = {}
    for title, embedder in embedders.items():
        with tqdm(total=len(pairs.names), unit="image", desc=f"accuracy, {title}", disable=None) as bar:
            measured = evaluate(embedder, pairs, replicates=0, progress=bar.update)
        found[title] = 100 * measured.ten_fold.accuracy
    return found


def main() -> None:
    """Checks the model, prints the results and writes them to --json."""
    if Path(FLAGS.model).suffix != ".tflite":
        raise ValueError(f"{FLAGS.model}: expected a .tflite file; `seesaw convert_tflite` creates one")
    if FLAGS.pairs and not FLAGS.data:
        raise ValueError("--pairs requires --data, the images")
    model = network(FLAGS.model, FLAGS.preprocess)
    pairs = open_pairs(FLAGS.data, FLAGS.pairs) if FLAGS.pairs or str(FLAGS.data).endswith(".bin") else None
    images = given_images(max(model.input_size), pairs)
    real = network(FLAGS.float, FLAGS.float_preprocess or FLAGS.preprocess) if FLAGS.float else None
    file = ModelFile.of(FLAGS.model)
    with ProgressBars() as bars:
        result = check(
            file,
            {name: model.inputs(group) for name, group in images.items()},
            float_embeddings={name: real.embed(group) for name, group in images.items()} if real else None,
            threads=FLAGS.threads,
            progress=bars,
        )
    accuracy = accuracies(result, pairs) if pairs is not None else {}
    lines = [audit(file).table()] if FLAGS.audit else []
    lines += [f"accuracy, {title}: {percent:.2f}%" for title, percent in accuracy.items()]
    print("\n".join([f"{FLAGS.model}:", *lines, result.table()]))
    if FLAGS.json:
        with replacing(FLAGS.json) as beside:
            beside.write_text(json.dumps(result.to_json() | {"accuracy": accuracy}, indent=2, allow_nan=False) + "\n")
    sys.exit(not result.passed)


run = Command(main, FLAGS)
