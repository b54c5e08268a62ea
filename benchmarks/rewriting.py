"""Rewrites full-size flatbuffers for a target and checks on 64 inputs that the outputs are bit-exact.

    python benchmarks/latency.py --rounds latency.jsonl --count 1 --models runs/latency
    python benchmarks/rewriting.py --rows rewriting.jsonl runs/latency/*_int8.tflite

The original and the rewritten model are run on synthetic faces and adversarial inputs (all minimum, all maximum, noise,
one hot pixel) with LiteRT's reference kernels and the NumPy kernels; the outputs must be bit-exact. Each row is written
to --rows when done; a rerun continues after the last one. A network takes one to ten minutes. Exits with code 1 at the
first difference.
"""

from pathlib import Path
from typing import Any

import numpy as np
from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.data.representative import representative_images
from seesaw_keras.files import sha256_of
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.costs import activation_peak, cost_of
from seesaw_keras.tflite.checking.check import ADVERSARIAL, adversarial_inputs
from seesaw_keras.tflite.checking.equivalence import require_same_outputs
from seesaw_keras.tflite.conversion.interface import pixel_table
from seesaw_keras.tflite.passes import rewrite

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_integer("inputs", 64, "Number of inputs per comparison, including four adversarial ones.", 5)
FLAGS.DEFINE_string("target", "xnnpack", "Target to rewrite for.")

COLUMNS = ["file", "inputs", "changes", "operators", "bytes", "multiply-adds", "activation peak"]


def row(path: Path) -> dict[str, Any]:
    """Rewrites one file and compares the outputs before and after.

    Raises:
        ValueError: if they differ.
    """
    before, after = flatbuffer.read(path), flatbuffer.read(path)
    changes = rewrite(after, FLAGS.target)
    (given,) = before.main.inputs
    table = pixel_table(before)
    if table is None:
        raise ValueError(f"{path}: not converted by seesaw_keras, so its input preprocessing is unknown")
    faces = representative_images(None, FLAGS.inputs - len(ADVERSARIAL), side=given.shape[1])
    inputs = np.concatenate([table[faces], adversarial_inputs(given)])
    with ProgressBars() as bars:
        require_same_outputs(before, after, inputs, progress=bars)
    sizes = path.stat().st_size, len(flatbuffer.dumps(after))
    costs = cost_of(before), cost_of(after)
    return {
        "file": path.stem,
        "settings": settings(path),
        "inputs": len(inputs),
        "changes": ", ".join(f"{name} {count}" for name, count in changes.items() if count),
        "operators": " -> ".join(str(len(model.main.operators)) for model in (before, after)),
        "bytes": " -> ".join(f"{size:,}" for size in sizes),
        "multiply-adds": " -> ".join(f"{cost.madds:,}" for cost in costs),
        "activation peak": " -> ".join(f"{activation_peak(model.main):,}" for model in (before, after)),
    }


def settings(path: Path) -> list[Any]:
    """Returns the settings that a row depends on."""
    return [sha256_of(path), FLAGS.inputs, FLAGS.target]


def main(words: list[str]) -> None:
    """Computes the missing rows and prints the table of the given files."""
    path = Path(FLAGS.rows)
    rows = read_rows(path)
    done = {str(r["settings"]): r for r in rows}
    files = [Path(word) for word in words]
    for file in files:
        if str(settings(file)) not in done:
            print(f"{file} ...", flush=True)
            rows.append(row(file))
            done[str(settings(file))] = rows[-1]
            write_rows(path, rows)
    print(f"\n| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for file in files:
        print(f"| {' | '.join(str(done[str(settings(file))][column]) for column in COLUMNS)} |")


if __name__ == "__main__":
    Command(main, FLAGS, positional=True)()
