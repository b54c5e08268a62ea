"""Accuracy, size and latency of one trained network after each compression method of tools/compress.py.

    python tools/train.py --out runs/synthetic
    python benchmarks/compression_accuracy.py --run runs/synthetic

Each method is a run of tools/compress.py with its own folder under --out; a rerun keeps finished runs and resumes the
others. Without --data and --verify, the synthetic faces of the training run are used. Latencies in milliseconds are the
minimum over interleaved rounds: XNNPACK with one thread in the form for phones, and TFLite Micro in the form for
microcontrollers. With XNNPACK, a small network spends much of its time on per-operator overhead, and compression does
not reduce the number of operators.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from timing import milliseconds_of

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.passes import rewrite
from seesaw_keras.tflite.runtimes import open_runtime

FLAGS = Flags()
FLAGS.DEFINE_string("run", "runs/synthetic", "Folder of a training run, with model.keras.")
FLAGS.DEFINE_string("recipe", "synthetic", "Recipe of the training run.")
FLAGS.DEFINE_string("data", None, "Faces to train on.")
FLAGS.DEFINE_string("verify", "synthetic:2000@32", "Pairs to verify on.")
FLAGS.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --verify of images.")
FLAGS.DEFINE_string("out", None, "Folder for the results. Default: RUN/compression.")
FLAGS.DEFINE_integer("steps", 3000, "Approximate number of training steps per stage.", 1)
FLAGS.DEFINE_list("methods", [], "Compression methods to measure. Default: all.")

METHODS = {
    "int8": ["--stage", "quantize"],
    "80% zeros": ["--stage", "prune+quantize", "--sparsity", "0.8"],
    "90% zeros": ["--stage", "prune+quantize", "--sparsity", "0.9", "--also", "squeeze_excite"],
    "2:4": ["--stage", "prune+quantize", "--pattern", "2:4"],
    "30% fewer channels": ["--stage", "prune+quantize", "--pattern", "channels", "--sparsity", "0.3"],
}
ROUNDS = 300
FORMS = ("xnnpack", "tflm")
TOOL = Path(__file__).resolve().parent.parent / "tools" / "compress.py"


def folder(method: str) -> Path:
    """Returns the folder with the results of one method."""
    name = method.replace("%", "").replace(":", "_").replace(" ", "_")
    return Path(FLAGS.out or Path(FLAGS.run) / "compression") / name


def report(method: str) -> dict:
    """Returns the report of one method; runs tools/compress.py if there is none yet."""
    run, out = Path(FLAGS.run), folder(method)
    if not (out / "report.json").exists():
        command = [sys.executable, str(TOOL), *METHODS[method], "--model", str(run / "model.keras"), "--out", str(out)]
        command += ["--recipe", FLAGS.recipe, "--data", FLAGS.data or str(run / "faces" / "train")]
        command += ["--verify", FLAGS.verify, "--steps", str(FLAGS.steps)]
        print(f"{method}: {' '.join(command)}", file=sys.stderr, flush=True)
        if subprocess.run([*command, *(["--pairs", FLAGS.pairs] if FLAGS.pairs else [])], check=False).returncode:
            raise ValueError(f"{method}: failed, see above; run the same command to resume")
    return json.loads((out / "report.json").read_bytes())["networks"]


def milliseconds(files: list[Path]) -> np.ndarray:
    """Times flatbuffers in interleaved rounds; returns the minimum milliseconds, (files, runtimes)."""
    runtimes = []
    for file in files:
        for name in FORMS:
            model = flatbuffer.read(file)
            rewrite(model, name)
            runtimes.append(open_runtime(name, model, threads=1))
    times = [[milliseconds_of(runtime) for runtime in runtimes] for _ in range(ROUNDS)]
    return np.min(times, axis=0).reshape(len(files), len(FORMS))


def main() -> None:
    """Runs the missing methods and prints a table of all of them."""
    reports = {method: report(method) for method in FLAGS.methods or METHODS}
    first, files = next(iter(reports.values())), [folder(method) / "after.tflite" for method in reports]
    rows = {"float": first["float"], "int8, after training": first["int8, after training"]}
    rows |= {f"{method}, int8": networks["int8, compressed"] for method, networks in reports.items()}
    times = milliseconds([files[0].with_name("before.tflite"), *files])
    dense = first["int8, after training"]["gzipped"]
    columns = ["accuracy", "change", "cosine with float", "bytes", "gzipped", "of dense", "XNNPACK, ms", "of dense"]
    columns += ["TFLite Micro, ms", "of dense"]
    print(f"| network | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for number, (name, row) in enumerate(rows.items()):
        change = row["accuracy"] - rows["float"]["accuracy"]
        cells = [name, f"{row['accuracy']:.2f}", f"{change:+.2f}", f"{row['cosine']['mean']:.4f}"]
        if "bytes" in row:
            cells += [f"{row['bytes']:,}", f"{row['gzipped']:,}", f"{row['gzipped'] / dense:.0%}"]
            for ms, of in zip(times[number - 1], times[0], strict=True):
                cells += [f"{ms:.3f}", f"{ms / of:.0%}"]
        print(f"| {' | '.join(cells + [''] * (len(columns) + 1 - len(cells)))} |")


if __name__ == "__main__":
    Command(main, FLAGS)()
