"""Evaluates an embedding model with the standard face verification protocols.

    seesaw evaluate --model model.tflite --preprocess raw --data lfw_view2_aligned112.zip --pairs pairs.txt

The model is a .keras or .h5 file, a SavedModel folder, a .tflite, an .onnx, or a .npy or .npz of embeddings. The data
set is an InsightFace .bin file, LFW images (folder or .zip) with pairs.txt, or CFP images with Protocol/Split/FP.

The table is printed to standard output; --json, --markdown and --report write files. To compare a model before and
after quantization:

    seesaw evaluate --model float.tflite --compare int8.tflite --data lfw.bin --report change.html

A .tflite runs in LiteRT with XNNPACK, as on a phone; --runtime tflm runs it in TFLite Micro.

--card stores the threshold for --far in a model card:

    seesaw evaluate --model model.tflite --data lfw.bin --far 1e-3 --card model.json
"""

import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data.records import Pairs
from seesaw_keras.data.sources import open_pairs
from seesaw_keras.files import replacing
from seesaw_keras.inference.embedders import Embedder, load_embedder_or_stored
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.reports.verification_record import comparison_record, data_record, provenance, to_markdown
from seesaw_keras.tflite.runtimes import RUNTIMES
from seesaw_keras.verification.comparison import Comparison, compare
from seesaw_keras.verification.evaluation import Verification, evaluate, latency_ms
from seesaw_keras.verification.threshold_calibration import store_calibration

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Model or file of embeddings to evaluate.", required=True)
FLAGS.DEFINE_string("data", None, "Images: .bin, .zip or folder.", required=True)
FLAGS.DEFINE_string("pairs", None, "Pair list of LFW (pairs.txt) or CFP (Protocol/Split/FP); not for a .bin.")
FLAGS.DEFINE_enum("preprocess", None, list(PREPROCESSES), "Model's input preprocessing. Default: pm1.")
FLAGS.DEFINE_bool("flip", False, "Add the embedding of the mirrored image.")
FLAGS.DEFINE_string("compare", None, "Second model to compare with the first on the same pairs.")
FLAGS.DEFINE_enum(
    "compare_preprocess", None, list(PREPROCESSES), "Input preprocessing of --compare. Default: same as --model."
)
FLAGS.DEFINE_float("far", 1e-4, "False accept rate that determines the threshold.", 0.0, 1.0)
FLAGS.DEFINE_enum("runtime", "xnnpack", list(RUNTIMES), "Runtime for a .tflite; see seesaw_keras/tflite/runtimes.py.")
FLAGS.DEFINE_integer("threads", 1, "Number of threads for LiteRT or ONNX Runtime.", 1)
FLAGS.DEFINE_string("json", None, "JSON file to write all results to; `accuracy` is in percent.")
FLAGS.DEFINE_string("markdown", None, "Markdown file to write the table to.")
FLAGS.DEFINE_string("report", None, "HTML report to write, with tables, curves and the worst pairs.")
FLAGS.DEFINE_string("card", None, "Model card (JSON) to store the threshold in, under `calibration`.")


def measured(source: str, preprocess: str | None, pairs: Pairs) -> tuple[Verification, dict[str, Any]]:
    """Evaluates one model, with a progress bar; returns the results and a description of the model."""
    quiet_tensorflow(source)
    embedder = load_embedder_or_stored(source, preprocess=preprocess, threads=FLAGS.threads, runtime=FLAGS.runtime)
    with tqdm(total=len(pairs.names), unit="image", desc=embedder.name, disable=None) as bar:
        result = evaluate(
            embedder, pairs, flip=FLAGS.flip, far=FLAGS.far, data_set=Path(FLAGS.data).name, progress=bar.update
        )
    described = embedder.describe()
    if isinstance(embedder, Embedder):
        described["latency_ms"] = latency_ms(embedder, pairs)
    return result, described


def write(path: str, text: str) -> None:
    """Writes a text file atomically."""
    with replacing(path) as beside:
        beside.write_text(text, "utf-8")


def main() -> None:
    """Evaluates the models, prints the results and writes the requested files."""
    pairs = open_pairs(FLAGS.data, FLAGS.pairs)
    result, described = measured(FLAGS.model, FLAGS.preprocess, pairs)
    other: Verification | None = None
    comparison: Comparison | None = None
    compared = None
    if FLAGS.compare:
        other, described_other = measured(FLAGS.compare, FLAGS.compare_preprocess or FLAGS.preprocess, pairs)
        comparison = compare(result.ten_fold, other.ten_fold, result.same, result.embeddings, other.embeddings)
        compared = comparison_record(other, described_other, comparison, pairs)
    record = {
        **result.to_json(),
        "embedder": described,
        "data": data_record(Path(FLAGS.data), Path(FLAGS.pairs) if FLAGS.pairs else None, pairs),
        "flip": FLAGS.flip,
        "comparison": compared,
        "provenance": provenance(run.command_line),
    }
    print(to_markdown(record))
    if FLAGS.json:
        write(FLAGS.json, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if FLAGS.markdown:
        write(FLAGS.markdown, to_markdown(record))
    if FLAGS.report:
        from seesaw_keras.reports.verification_page import write_page

        write_page(FLAGS.report, record, pairs, result, other, comparison)
    if FLAGS.card:
        if result.calibration is None:
            raise ValueError(f"{FLAGS.card}: nothing to store, {result.calibration_note}")
        store_calibration(result.calibration, FLAGS.card)


run = Command(main, FLAGS)
