"""Runs a flatbuffer in LiteRT's reference kernels, XNNPACK, TFLite Micro and NumPy, and says whether they agree.

    python tools/check_tflite.py --model shuffle_int8.tflite --inputs 32

The inputs are synthetic faces, images of --data (folder, .zip, .rec, .tfrecord or .csv) if given, and what nobody sends
by chance: all minimum, all maximum, noise, one hot pixel. With --float, the network that was quantized stands beside
them. With --pairs (or a .bin for --data), verification accuracy is measured too, which takes minutes:

    python tools/check_tflite.py --model int8.tflite --float model.keras --data lfw.zip --pairs pairs.txt

With --audit, it is said too which operators XNNPACK takes, which TFLite Micro has, which of them have kernels of
CMSIS-NN, and what to do about the others.

A model that this package converted says itself what it wants of pixels; for others there is --preprocess.

Exit code 1 when LiteRT's reference kernels, TFLite Micro and our own kernels in NumPy differ in one integer of one
tensor, or when XNNPACK's embeddings of a network that is marked as trained have a cosine under 0.995 to theirs. Of
float tensors, a difference counts from 1e-4 of the tensor's largest entry on. The first operator that computes
something else is named.
"""

import json
import sys
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from seesaw_keras import cli
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
from seesaw_keras.verification.evaluation import evaluate

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "The .tflite to check.", required=True)
flags.DEFINE_integer("inputs", 32, "How many images of --data, and how many synthetic faces.", 1)
flags.DEFINE_string("data", None, "Images to run it on besides synthetic faces.")
flags.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --data of LFW or CFP.")
flags.DEFINE_string("float", None, "The float network to stand beside it: whatever tools/evaluate.py takes.")
flags.DEFINE_enum("preprocess", None, list(PREPROCESSES), "What the model wants of pixels; pm1 if not given.")
flags.DEFINE_enum("float_preprocess", None, list(PREPROCESSES), "What --float wants; as --model if not given.")
flags.DEFINE_integer("threads", 1, "Threads of XNNPACK.", 1)
flags.DEFINE_boolean("audit", False, "Say which operators are fast where.")
flags.DEFINE_string("json", None, "File to write all figures to.")


def network(source: str, preprocess: str | None, runtime: str = "reference") -> NetworkEmbedder:
    """Loads a network.

    Raises:
        ValueError: it does not load, or is a file of embeddings.
    """
    cli.quiet_tensorflow(source)
    embedder = load_embedder(source, preprocess=preprocess, threads=FLAGS.threads, runtime=runtime)
    if not isinstance(embedder, NetworkEmbedder):
        raise ValueError(f"{source}: embeddings are no network that could be run")
    return embedder


def given_images(side: int, pairs: Pairs | None) -> dict[str, list[np.ndarray]]:
    """Returns groups of uint8 RGB images, each group spread evenly over what it is taken from."""
    groups = {"synthetic": list(representative_images(None, FLAGS.inputs, side=side))}
    if pairs is not None:
        places = np.linspace(0, len(pairs.names) - 1, min(FLAGS.inputs, len(pairs.names))).astype(int)
        groups["given"] = [decode_image(pairs.read(place), name=pairs.names[place]) for place in places.tolist()]
    elif FLAGS.data:
        groups["given"] = list(representative_images(open_source(FLAGS.data), FLAGS.inputs, side=side))
    return groups


def accuracies(result: CheckResult, pairs: Pairs) -> dict[str, float]:
    """Returns ten-fold accuracies in percent, by what ran the network; of runtimes that compute the same, of one."""
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
    """Checks what the flags say, prints and writes what was found."""
    if Path(FLAGS.model).suffix != ".tflite":
        raise ValueError(f"{FLAGS.model}: a .tflite is needed; tools/convert_tflite.py makes one")
    if FLAGS.pairs and not FLAGS.data:
        raise ValueError("--pairs: name the images too, by --data")
    model = network(FLAGS.model, FLAGS.preprocess)
    pairs = open_pairs(FLAGS.data, FLAGS.pairs) if FLAGS.pairs or str(FLAGS.data).endswith(".bin") else None
    images = given_images(max(model.input_size), pairs)
    real = network(FLAGS.float, FLAGS.float_preprocess or FLAGS.preprocess) if FLAGS.float else None
    with cli.Bars() as bars:
        result = check(
            FLAGS.model,
            {name: model.inputs(group) for name, group in images.items()},
            float_embeddings={name: real.embed(group) for name, group in images.items()} if real else None,
            threads=FLAGS.threads,
            progress=bars,
        )
    accuracy = accuracies(result, pairs) if pairs is not None else {}
    lines = [audit(Path(FLAGS.model).read_bytes()).table()] if FLAGS.audit else []
    lines += [f"accuracy, {title}: {percent:.2f}%" for title, percent in accuracy.items()]
    print("\n".join([f"{FLAGS.model}:", *lines, result.table()]))
    if FLAGS.json:
        with replacing(FLAGS.json) as beside:
            beside.write_text(json.dumps(result.to_json() | {"accuracy": accuracy}, indent=2, allow_nan=False) + "\n")
    sys.exit(not result.passed)


if __name__ == "__main__":
    cli.run(main)
