"""Converts a network to a TensorFlow Lite flatbuffer: fully int8, float32, float16 or dynamic range.

    seesaw convert_tflite --model shuffle --weights shuffle.weights.h5 --type int8 --out shuffle_int8.tflite

The model is a variant (`seesaw list_models`), a .keras file or a SavedModel folder. A
quantization-aware network is a SavedModel and contains its own ranges. The flatbuffer has batch size 1 and static
shapes. The input of an int8 network is pixel - 128 of an RGB image, which is the byte with its highest bit flipped.
With --input uint8 the input is the pixel itself, at the cost of one QUANTIZE operator.

Quantization ranges are calibrated on --images images sampled evenly and deterministically from --data (folder, .zip,
.rec, .tfrecord or .csv), or on synthetic faces of different identities. A variant without --weights gets random weights
(seed 0) with the batch statistics of these images: suitable for latency and memory measurements, not for recognition.
With --errors, the signal-to-quantization-noise ratio of every tensor is measured on some of the images and plotted, and
the ten lowest are printed.

--target xnnpack rewrites the network for XNNPACK (seesaw_keras.tflite.passes). The result is written only if LiteRT's
reference kernels and this package's NumPy kernels give equal outputs for both forms: bit-exact integers, or floats
within 1e-5 in a unit vector. --target tflm rewrites an int8 network to reduce TFLite Micro's memory use: it is
computed in groups of channels and strips of rows. The number of parts is the smallest that fits --arena (on x86-64;
pointers are smaller on a microcontroller), or the one with the smallest arena. If TFLite Micro is installed, its
outputs must be bit-exact as well.

The minimum cosine at which two faces are the same person is stored in the file: the value of --threshold, or that of
the model card written by `seesaw evaluate --card`.

Finally, LiteRT and TFLite Micro run the result on a few images, as `seesaw check_tflite` does on many. If they are not
bit-exact, --out is not written; the network is saved as NAME.failed.tflite in the same folder, and the exit code is 1.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.messages import say
from seesaw_keras.cli.support.parsing import parse_size
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.files import replacing
from seesaw_keras.models.configs import list_models
from seesaw_keras.tflite.flatbuffer import Model, ModelFile
from seesaw_keras.tflite.passes import TARGETS, check_target
from seesaw_keras.verification.threshold_calibration import load_calibration

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Variant, .keras file or SavedModel folder.", required=True)
FLAGS.DEFINE_string("weights", None, "Weights file for a variant, as written by model.save_weights.")
FLAGS.DEFINE_enum(
    "type", "int8", ["int8", "float32", "float16", "dynamic"], "Quantization scheme of weights and activations."
)
FLAGS.DEFINE_string("target", "plain", f"Target runtime: {', '.join(TARGETS)}; plain: no rewriting after conversion.")
FLAGS.DEFINE_string("arena", None, "--target tflm: maximum arena size in bytes; 384K and 1M are KiB and MiB.")
FLAGS.DEFINE_enum(
    "input", "int8", ["int8", "uint8"], "Input type of an int8 network: pixel - 128, or uint8 pixels with a QUANTIZE."
)
FLAGS.DEFINE_enum(
    "normalize", "none", ["none", "graph"], "Where embeddings are L2-normalized: nowhere, or in the graph."
)
FLAGS.DEFINE_string("data", None, "Data set to calibrate int8 ranges on. Default: synthetic faces.")
FLAGS.DEFINE_integer("images", 64, "Number of calibration images; four times as many are hardly better.", 1)
FLAGS.DEFINE_float("threshold", None, "Minimum cosine at which two faces are the same person, to store.", -1.0, 1.0)
FLAGS.DEFINE_string("card", None, "Model card from `seesaw evaluate --card` whose threshold is stored.")
FLAGS.DEFINE_string("errors", None, "PNG file for a plot of the quantization noise of each tensor; int8 only.")
FLAGS.DEFINE_string("out", None, "File to write.", required=True)

CHECKED = 2  # about 1 s per image in TFLite Micro for shuffle with all tensors; `seesaw check_tflite` runs more
STATISTICS_IMAGES = 64  # in one batch; needs 1.2 GB of memory with shuffle
ERROR_IMAGES = 16  # about 1 s per image with shuffle


def main() -> None:
    """Converts the network, prints the results, and writes the flatbuffer if the runtimes agree."""
    require_fitting_flags()
    threshold = load_calibration(FLAGS.card)["threshold"] if FLAGS.card else FLAGS.threshold
    say("loading TensorFlow ...")
    quiet_tensorflow()
    from seesaw_keras.compression.loading import load_network
    from seesaw_keras.data import open_source
    from seesaw_keras.data.representative import representative_images
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.conversion.convert import convert, input_shape
    from seesaw_keras.tflite.conversion.interface import to_float

    source = open_source(FLAGS.data) if FLAGS.data else None
    say(f"loading {FLAGS.model} ...")
    network = load_network(FLAGS.model, weights=FLAGS.weights)
    variant = FLAGS.model if FLAGS.model in list_models() else None
    untrained = variant is not None and FLAGS.weights is None
    measured = FLAGS.type == "int8" or untrained
    images = representative_images(source, FLAGS.images if measured else CHECKED, side=input_shape(network)[0])
    if untrained:
        batch = images[:STATISTICS_IMAGES]
        say(f"warning: no --weights: using random weights (seed 0) with the batch statistics of {len(batch)} images")
        set_batch_statistics(network, to_float(batch))
    say("converting ...")
    normalize = FLAGS.normalize == "graph"
    converted = convert(
        network,
        type=FLAGS.type,
        images=images,
        input_type=FLAGS.input,
        normalize=normalize,
        facts={"variant": variant, "trained": not untrained, "threshold": threshold, "target": FLAGS.target},
    )
    file = ModelFile.of(converted)
    if FLAGS.errors:
        draw_errors(convert(network, type="float32", normalize=normalize), file, images[:ERROR_IMAGES])
    if TARGETS[FLAGS.target]:
        file = rewritten(file, images[:CHECKED])
    out = Path(FLAGS.out)
    failed = out.with_suffix(f".failed{out.suffix}")
    result = checked(file, network, images[:CHECKED])
    with replacing(failed if result.differences else out) as beside:
        beside.write_bytes(file.data)
    if result.differences:
        raise ValueError(f"{out}: not written, see above; the converted network is in {failed}")
    for line in result.distances:
        say(f"warning: {line}; `seesaw evaluate --runtime xnnpack` measures the loss of accuracy")


def require_fitting_flags() -> None:
    """Raises ValueError for incompatible flags."""
    check_target(FLAGS.target)
    if FLAGS.errors and FLAGS.type != "int8":
        raise ValueError(f"--errors requires --type int8, got {FLAGS.type}")
    if FLAGS.target == "tflm" and FLAGS.type != "int8":
        raise ValueError(f"--target tflm requires --type int8, got {FLAGS.type}")
    if FLAGS.card and FLAGS.threshold is not None:
        raise ValueError("--card and --threshold are mutually exclusive")
    if FLAGS.arena and FLAGS.target != "tflm":
        raise ValueError(f"--arena requires --target tflm, got {FLAGS.target}")
    if FLAGS.arena:
        parse_size(FLAGS.arena)
    if FLAGS.target != "plain" and FLAGS.type == "dynamic":
        raise ValueError(
            f"--target {FLAGS.target} does not support --type dynamic, which quantizes activations at run time: "
            f"another summation order may change the result"
        )


def draw_errors(real: Model, quantized: ModelFile, images: np.ndarray) -> None:
    """Plots and prints the quantization error of an int8 network, tensor by tensor."""
    from seesaw_keras.reports.quantization_error_plot import plot_errors
    from seesaw_keras.tflite.analysis.quantization_error import error_table, quantization_errors

    with ProgressBars() as bars:
        errors = quantization_errors(real, quantized, images, progress=bars)
    plot_errors(errors, FLAGS.errors)
    print(error_table(errors))


def rewritten(before: ModelFile, images: np.ndarray) -> ModelFile:
    """Rewrites the network for --target, verifies that outputs are equal, and prints the savings.

    Raises:
        ValueError: the outputs of the two forms differ, or the requested arena size cannot be reached.
    """
    from seesaw_keras.tflite.analysis.costs import activation_peak
    from seesaw_keras.tflite.checking.check import adversarial_inputs
    from seesaw_keras.tflite.checking.equivalence import require_same_outputs
    from seesaw_keras.tflite.conversion.interface import pixel_table
    from seesaw_keras.tflite.passes import rewrite
    from seesaw_keras.tflite.runtimes import TFLiteMicro

    model = copy.deepcopy(before.model)
    micro = FLAGS.target == "tflm" and TFLiteMicro.is_available()
    arena = parse_size(FLAGS.arena) if FLAGS.arena else None
    if FLAGS.target == "tflm":
        say("planning memory ...")
    changes = rewrite(model, FLAGS.target, arena=arena)
    after = ModelFile.of(model)
    if micro and arena and (needed := TFLiteMicro(after).arena).total > arena:
        raise ValueError(f"--arena {FLAGS.arena}: too small: the network needs {needed.total:,} bytes")
    inputs = np.asarray(pixel_table(before.model))[images]
    if FLAGS.type == "int8":  # noise inputs amplify the rounding of float sums
        inputs = np.concatenate([inputs, adversarial_inputs(before.model.main.inputs[0])])
    say(f"comparing both forms on {len(inputs)} inputs ...")
    require_same_outputs(before, after, inputs, runtimes=("reference", "numpy", *(["tflm"] if micro else [])))
    print(", ".join(f"{name}: {count}" for name, count in changes.items()))
    figures = [
        (len(file.model.main.operators), len(file.data), activation_peak(file.model.main)) for file in (before, after)
    ]
    for name, old, new in zip(("operators", "bytes", "activation peak"), *figures, strict=True):
        print(f"{name:16} {old:>13,} -> {new:>13,}")
    return after


def checked(file: ModelFile, network: Any, images: np.ndarray) -> Any:
    """Prints the cost of a network and compares the runtimes on images; returns the `CheckResult`."""
    from seesaw_keras.inference.embedders import load_embedder
    from seesaw_keras.tflite.analysis.costs import cost_of
    from seesaw_keras.tflite.checking.check import check
    from seesaw_keras.tflite.conversion.interface import pixel_table

    graph = file.model.main
    (given,), (made,) = graph.inputs, graph.outputs
    print(f"{FLAGS.out}: {given.type} {given.shape} -> {made.type} {made.shape}")
    print(cost_of(file.model).table(len(file.data)))
    if FLAGS.input == "uint8":
        print("uint8 input adds a QUANTIZE operator; --input int8 (pixel - 128) avoids it")
    say("checking ...")
    plain = load_embedder(FLAGS.model if hasattr(network, "signatures") else network)
    result = check(
        file,
        {"images": np.asarray(pixel_table(file.model))[images]},
        float_embeddings={"images": np.concatenate([plain.embed(image[None]) for image in images])},
        runtimes=("xnnpack", "tflm"),
    )
    print(result.table(), flush=True)
    return result


run = Command(main, FLAGS)
