"""Compresses and converts every variant with every activation to int8 at full size, and checks the flatbuffers.

    python benchmarks/compression.py --rows compression.jsonl
    python benchmarks/compression.py --rows compression.jsonl --variants phone --activations swish,relu6

Each network is measured in two forms: `dense`, quantization-aware and converted, and `sparse`, with the smallest
entries of its 1x1 kernels set to zero first. The networks are not trained: random weights with seed 0 and batch
statistics of synthetic faces.

Reports for each flatbuffer: the number of float tensors, the fraction of zeros in the integers, how closely its
operators match the quantization-aware network (`fake_quantized_matches`), and whether it passes the check in all
runtimes. Each row is written to --rows when done; a rerun continues after the last one. A row takes two to ten minutes
on two cores. Exits with code 1 if any check fails.
"""

import gzip
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.models.configs import ACTIVATIONS, list_models

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_list("variants", list_models(), "Variants to measure.")
FLAGS.DEFINE_list("activations", list(ACTIVATIONS), "Activations of the trunk.")
FLAGS.DEFINE_float("sparsity", 0.8, "Fraction of zeros in the sparse form.", 0.0, 0.99)
FLAGS.DEFINE_integer("inputs", 8, "Number of inputs of the check, including four adversarial ones.", 5)
FLAGS.DEFINE_integer(
    "size", 112, "Side of the images in pixels; smaller values are for testing the benchmark itself.", 16
)
FLAGS.DEFINE_float(
    "width", 1.0, "Channel multiplier of the networks; smaller values are for testing the benchmark itself.", 0.05
)

IMAGES = 64  # for batch statistics and ranges, in one batch
COMPARED = 4  # images for fake_quantized_matches
ADVERSARIAL = 4
FORMS = ("dense", "sparse")
COLUMNS = {
    "variant": "variant",
    "activation": "activation",
    "form": "form",
    "quantize, s": "quantize_seconds",
    "convert, s": "convert_seconds",
    "bytes": "bytes",
    "gzipped": "gzipped",
    "float tensors": "floats",
    "target zeros": "wanted",
    "zeros in int8": "zeros",
    "worst operator": "worst",
    "within a step": "within",
    "passed": "passed",
}


def sparse(network: Any) -> float:
    """Sets the smallest entries of the prunable kernels to zero; returns the fraction of zeros in these kernels."""
    from seesaw_keras.compression.pruning import kernel_of, prunable_layers

    zeros = entries = 0
    for layer in prunable_layers(network):
        kernel = kernel_of(layer).numpy()
        kept = np.abs(kernel) > np.quantile(np.abs(kernel), FLAGS.sparsity)
        layer.kernel.assign(kernel * kept)
        zeros, entries = zeros + np.sum(~kept), entries + kernel.size
    return float(zeros / entries)


def zeros_in(model: Any, network: Any) -> float:
    """Returns the fraction of zeros in the integer kernels of the prunable layers."""
    from seesaw_keras.compression.pruning import prunable_layers

    names = {layer.name.removesuffix("_conv") for layer in prunable_layers(network)}
    kernels = [
        operator.inputs[1].data
        for operator in model.main.operators
        if operator.code == "CONV_2D" and operator.inputs[1].name.split("/")[0] in names
    ]
    return float(sum(np.sum(kernel == 0) for kernel in kernels) / sum(kernel.size for kernel in kernels))


def row(variant: str, activation: str, form: str, images: np.ndarray) -> dict[str, Any]:
    """Compresses, converts and checks one network."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.compression import fake_quantized_matches, quantize_aware
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.checking.check import check
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.tflite.conversion.interface import pixel_table, to_float
    from seesaw_keras.tflite.flatbuffer import ModelFile

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    network = seesaw_keras.build(variant, activation=activation, width=FLAGS.width, input_shape=images.shape[1:])
    set_batch_statistics(network, to_float(images))
    wanted = sparse(network) if form == "sparse" else 0.0
    start = time.perf_counter()
    aware = quantize_aware(network, to_float(images))
    quantized = time.perf_counter()
    model = convert(aware, facts={"variant": variant, "trained": False})
    done = time.perf_counter()
    file = ModelFile.of(model)
    worst, *_ = fake_quantized_matches(aware, file, images[:COMPARED])
    with ProgressBars() as bars:
        result = check(file, {"images": pixel_table(model)[images[: FLAGS.inputs - ADVERSARIAL]]}, progress=bars)
    return {
        "variant": variant,
        "activation": activation,
        "form": form,
        "settings": settings(),
        "quantize_seconds": round(quantized - start, 1),
        "convert_seconds": round(done - quantized, 1),
        "bytes": len(file.data),
        "gzipped": len(gzip.compress(file.data, 9, mtime=0)),
        "floats": sum(tensor.type.startswith("FLOAT") for tensor in model.main.tensors),
        "wanted": round(wanted, 4),
        "zeros": round(zeros_in(model, network), 4),
        "worst": worst.layer,
        "within": round(worst.within, 5),
        "good": worst.good,
        "passed": result.passed,
        "problems": result.problems,
    }


def settings() -> list[Any]:
    """Returns the other settings that a row depends on."""
    return [FLAGS.size, FLAGS.width, FLAGS.inputs, FLAGS.sparsity]


def failed(row: dict[str, Any]) -> bool:
    """Returns whether any check of a row failed."""
    return bool(row["floats"] or row["zeros"] < row["wanted"] or not row["good"] or not row["passed"])


def main() -> None:
    """Computes the missing rows and prints the table of the requested ones."""
    from seesaw_keras.data.representative import representative_images

    path = Path(FLAGS.rows)
    rows = read_rows(path)
    wanted = [(variant, kind, form) for variant in FLAGS.variants for kind in FLAGS.activations for form in FORMS]
    done = {(r["variant"], r["activation"], r["form"]): r for r in rows if r["settings"] == settings()}
    if any(key not in done for key in wanted):
        quiet_tensorflow()
        images = representative_images(None, IMAGES, side=FLAGS.size)
    for number, key in enumerate(wanted, 1):
        if key not in done:
            print(f"[{number}/{len(wanted)}] {' '.join(key)}", file=sys.stderr, flush=True)
            done[key] = row(*key, images)
            rows.append(done[key])
            write_rows(path, rows)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for key in wanted:
        print(f"| {' | '.join(str(done[key][field]) for field in COLUMNS.values())} |")
    bad = [key for key in wanted if failed(done[key])]
    for key in bad:
        print("\n".join([" ".join(key), *done[key]["problems"]]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    Command(main, FLAGS)()
