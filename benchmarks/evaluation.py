"""Overhead of the evaluation: a ROC of a million pairs, and LFW View 2 compared with the bare interpreter.

    python benchmarks/evaluation.py --model model.tflite --preprocess raw --data lfw_view2_aligned112.zip \
        --pairs pairs.txt

The bare interpreter is LiteRT's on decoded and preprocessed inputs: set, invoke and get once per image. It is compared
with `evaluate()` (reading, decoding, preprocessing, embedding, all metrics with their intervals) and with
tools/evaluate.py as a process. Rounds are interleaved, and the fastest of each is reported.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.data.sources import open_pairs
from seesaw_keras.inference.embedders import load_embedder
from seesaw_keras.inference.preprocessing import InputLayout, to_input
from seesaw_keras.verification.evaluation import evaluate
from seesaw_keras.verification.metrics import FARS, auc, equal_error_rate, roc, tar_at_far

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "A .tflite. Default: none, only the ROC is measured.")
FLAGS.DEFINE_string("preprocess", "pm1", "Input preprocessing of the model.")
FLAGS.DEFINE_string("data", None, "Images: .bin, .zip or folder.")
FLAGS.DEFINE_string("pairs", None, "List of pairs to compare.")
FLAGS.DEFINE_integer("rounds", 3, "Number of measurements.", 1)

MILLION = 1_000_000


def seconds(work: Callable[[], Any]) -> float:
    """Returns the duration of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def million_pairs() -> None:
    """Prints time and peak memory for the ROC of a million pairs and all metrics derived from it."""
    generator = np.random.default_rng(0)
    same = generator.random(MILLION) < 0.5
    scores = np.clip(generator.normal(0.6 * same, 0.15), -1, 1)

    def read_off() -> None:
        curve = roc(scores, same)
        auc(curve.far, curve.tar)
        equal_error_rate(curve.far, curve.tar)
        for far in FARS:
            tar_at_far(curve, far)

    taken = min(seconds(read_off) for _ in range(FLAGS.rounds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"ROC, AUC, EER, TAR at six FARs of {MILLION:,} pairs: {taken:.2f} s; peak of the process {peak:.0f} MiB")


def bare_interpreter(pairs: Pairs) -> Callable[[], None]:
    """Returns a function that runs LiteRT once per image on inputs prepared in advance."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=FLAGS.model, num_threads=1)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    layout = InputLayout.of_shape(given["shape"].tolist(), FLAGS.model)
    table = layout.table(FLAGS.preprocess, np.dtype(given["dtype"]), *given["quantization"])
    images = (decode_image(pairs.read(at), name=name) for at, name in enumerate(pairs.names))
    inputs = [to_input(image, table, layout)[None] for image in images]

    def invoke() -> None:
        for one in inputs:
            interpreter.set_tensor(given["index"], one)
            interpreter.invoke()
            interpreter.get_tensor(made)

    return invoke


def against_bare_interpreter() -> None:
    """Prints the times of all three and their ratios to the bare interpreter."""
    pairs = open_pairs(FLAGS.data, FLAGS.pairs)
    embedder = load_embedder(FLAGS.model, preprocess=FLAGS.preprocess)
    tool = [sys.executable, str(Path(__file__).resolve().parents[1] / "tools" / "evaluate.py")]
    tool += ["--model", FLAGS.model, "--data", FLAGS.data, "--preprocess", FLAGS.preprocess]
    tool += ["--pairs", FLAGS.pairs] if FLAGS.pairs else []
    methods: dict[str, Callable[[], Any]] = {
        "bare interpreter": bare_interpreter(pairs),
        "evaluate()": lambda: evaluate(embedder, pairs),
        "tools/evaluate.py": lambda: subprocess.run(tool, check=True, capture_output=True),
    }
    best = dict.fromkeys(methods, np.inf)
    for _ in range(FLAGS.rounds):
        for name, work in methods.items():
            best[name] = min(best[name], seconds(work))
    for name, taken in best.items():
        each = 1000 * taken / len(pairs.names)
        print(f"{name}: {taken:.1f} s, {each:.2f} ms per image, {taken / best['bare interpreter']:.3f} x the bare one")


def main() -> None:
    """Runs both measurements."""
    million_pairs()
    if FLAGS.model:
        against_bare_interpreter()


if __name__ == "__main__":
    Command(main, FLAGS)()
