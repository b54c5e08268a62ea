"""Converts every variant with every activation at full size, and checks each in all runtimes on 32 inputs.

    python benchmarks/conversion.py --rows conversion.jsonl
    python benchmarks/conversion.py --rows conversion.jsonl --variants shuffle --activations swish,relu6

Networks have random weights with seed 0 and batch statistics of synthetic faces. The duration of our `convert` is
reported next to that of TensorFlow's `from_keras_model` with the same images. Each row is written to --rows when done;
a rerun continues after the last one. A row takes two to ten minutes on two cores. Exits with code 1 if a flatbuffer
contains a float tensor or does not pass the check.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.models.configs import ACTIVATIONS, list_models
from seesaw_keras.native import quiet_native_stderr

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_list("variants", list_models(), "Variants to convert.")
FLAGS.DEFINE_list("activations", list(ACTIVATIONS), "Activations of the trunk.")
FLAGS.DEFINE_integer("inputs", 32, "Number of inputs of the check, including four adversarial ones.", 5)
FLAGS.DEFINE_integer(
    "size", 112, "Side of the images in pixels; smaller values are for testing the benchmark itself.", 16
)
FLAGS.DEFINE_float(
    "width", 1.0, "Channel multiplier of the networks; smaller values are for testing the benchmark itself.", 0.05
)
FLAGS.DEFINE_bool("tensorflow", True, "Whether to also time TensorFlow's from_keras_model.")

CALIBRATION = 64  # images, as in tools/convert_tflite.py
ADVERSARIAL = 4
COLUMNS = {
    "variant": "variant",
    "activation": "activation",
    "convert, s": "seconds",
    "from_keras_model, s": "tensorflow_seconds",
    "bytes": "bytes",
    "operators": "operators",
    "float tensors": "floats",
    "inputs": "inputs",
    "entries compared": "entries",
    "XNNPACK cosine": "xnnpack_cosine",
    "arena": "arena",
    "passed": "passed",
}


def seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """Returns the result of a call and its duration in seconds."""
    start = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - start, 1)


def by_tensorflow(network: Any, images: np.ndarray) -> bytes:
    """Converts as in TensorFlow's guide: full int8 with TensorFlow's own calibrator."""
    import tensorflow as tf

    from seesaw_keras.tflite.conversion.interface import to_float

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([to_float(image)[None]] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet_native_stderr():
        return converter.convert()


def row(variant: str, activation: str, images: np.ndarray) -> dict[str, Any]:
    """Converts and checks one network."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.checking.check import check
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.tflite.conversion.interface import pixel_table, to_float
    from seesaw_keras.tflite.flatbuffer import ModelFile

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    network = seesaw_keras.build(variant, activation=activation, width=FLAGS.width, input_shape=images.shape[1:])
    set_batch_statistics(network, to_float(images))
    model, taken = seconds(lambda: convert(network, images=images, facts={"variant": variant, "trained": False}))
    theirs = seconds(lambda: by_tensorflow(network, images))[1] if FLAGS.tensorflow else None
    file = ModelFile.of(model)
    with ProgressBars() as bars:
        result = check(file, {"images": pixel_table(model)[images[: FLAGS.inputs - ADVERSARIAL]]}, progress=bars)
    xnnpack = [entry.cosine for entry in result.rows if (entry.runtime, entry.group) == ("xnnpack", "images")]
    return {
        "variant": variant,
        "activation": activation,
        "settings": settings(),
        "seconds": taken,
        "tensorflow_seconds": theirs,
        "bytes": len(file.data),
        "operators": len(model.main.operators),
        "floats": sum(tensor.type.startswith("FLOAT") for tensor in model.main.tensors),
        "inputs": FLAGS.inputs,
        "entries": sum(equality.entries for equality in result.equalities),
        "xnnpack_cosine": round(min(xnnpack), 4),
        "arena": result.arena.total if result.arena else None,
        "passed": result.passed,
        "problems": result.problems,
    }


def settings() -> list[Any]:
    """Returns the other settings that a row depends on."""
    return [FLAGS.size, FLAGS.width, FLAGS.inputs, FLAGS.tensorflow]


def main() -> None:
    """Computes the missing rows and prints the table of the requested ones."""
    from seesaw_keras.data.representative import representative_images

    path = Path(FLAGS.rows)
    rows = read_rows(path)
    wanted = [(variant, activation) for variant in FLAGS.variants for activation in FLAGS.activations]
    done = {(r["variant"], r["activation"]): r for r in rows if r["settings"] == settings()}
    if any(key not in done for key in wanted):
        quiet_tensorflow()
        images = representative_images(None, CALIBRATION, side=FLAGS.size)
    for number, key in enumerate(wanted, 1):
        if key not in done:
            print(f"[{number}/{len(wanted)}] {' '.join(key)}", file=sys.stderr, flush=True)
            done[key] = row(*key, images)
            rows.append(done[key])
            write_rows(path, rows)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for key in wanted:
        print(f"| {' | '.join(str(done[key][field]) for field in COLUMNS.values())} |")
    bad = [key for key in wanted if done[key]["floats"] or not done[key]["passed"]]
    for key in bad:
        print("\n".join([f"{' '.join(key)}: {done[key]['floats']} float tensors", *done[key]["problems"]]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    Command(main, FLAGS)()
