"""Memory, flash and time of networks in TFLite Micro, plain and rewritten for a small arena, with a bit-exact check.

    python benchmarks/latency.py --rounds latency.jsonl --count 1 --types int8 --models runs/latency
    python benchmarks/micro.py --rows micro.jsonl --plot micro.png runs/latency/*_int8.tflite

Both forms of each file run in TFLite Micro in interleaved rounds, so that other load on the machine affects both; the
median is reported. Both forms are run on synthetic faces and adversarial inputs in our NumPy kernels, LiteRT's
reference kernels and TFLite Micro, and must be bit-exact. Arena sizes are those of this machine, with 8-byte pointers.
"slow" is the fraction of bytes read and written by operators for which CMSIS-NN has no kernel. --inputs 0 skips the
bit-exact check.

Each row is written to --rows when done; a rerun continues after the last one. A network takes a few minutes. Exits with
code 1 at the first difference.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.parsing import parse_size
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.data.representative import representative_images
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.audit import audit
from seesaw_keras.tflite.analysis.costs import cost_of, live_bytes
from seesaw_keras.tflite.checking.check import ADVERSARIAL, adversarial_inputs
from seesaw_keras.tflite.checking.equivalence import require_same_outputs
from seesaw_keras.tflite.conversion.interface import pixel_table
from seesaw_keras.tflite.flatbuffer import ModelFile
from seesaw_keras.tflite.passes import rewrite
from seesaw_keras.tflite.runtimes import TFLiteMicro

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_string("arena", None, "Maximum arena of the rewritten form in bytes, such as 432K. Default: the minimum.")
FLAGS.DEFINE_integer("inputs", 64, "Number of inputs of each comparison, including four adversarial ones.", 0)
FLAGS.DEFINE_integer("rounds", 10, "Number of timings of each form.", 1)
FLAGS.DEFINE_string("plot", None, "PNG file for a plot of memory over operators.")

RUNTIMES = ("numpy", "reference", "tflm")
COLUMNS = [
    "file",
    "form",
    "planned",
    "persistent",
    "arena",
    "flash",
    "operators",
    "multiply-adds",
    "slow",
    "ms",
    "inputs",
]


def row(path: Path) -> dict[str, Any]:
    """Rewrites one file, measures both forms and compares them.

    Raises:
        ValueError: if they differ, or the arena size cannot be achieved.
    """
    model = flatbuffer.read(path)
    rewrite(model, "tflm", arena=parse_size(FLAGS.arena) if FLAGS.arena else None)
    before, after = ModelFile.of(path), ModelFile.of(model)
    compare(before, after)
    forms = [facts(before), facts(after)]
    for form, milliseconds in zip(forms, timed(before, after), strict=True):
        form["ms"] = milliseconds
    return {"settings": settings(path), "plain": forms[0], "tflm": forms[1]}


def compare(before: ModelFile, after: ModelFile) -> None:
    """Checks that both forms are bit-exact on faces and adversarial inputs."""
    (given,) = before.model.main.inputs
    table = pixel_table(before.model)
    if table is None:
        raise ValueError(f"{before.name}: not converted by seesaw_keras, so its input preprocessing is unknown")
    if FLAGS.inputs:
        faces = representative_images(None, max(FLAGS.inputs - len(ADVERSARIAL), 1), side=given.shape[1])
        inputs = np.concatenate([table[faces], adversarial_inputs(given)])
        with ProgressBars() as bars:
            require_same_outputs(before, after, inputs, runtimes=RUNTIMES, progress=bars)


def facts(file: ModelFile) -> dict[str, Any]:
    """Returns the memory, flash and compute costs of one form."""
    arena, cost = TFLiteMicro(file).arena, cost_of(file.model)
    return {
        "planned": arena.planned,
        "persistent": arena.persistent,
        "arena": arena.total,
        "flash": len(file.data),
        "operators": sum(cost.operators.values()),
        "multiply-adds": cost.madds,
        "slow": round(audit(file).slow["CMSIS-NN"][1], 4),
        "live": live_bytes(file.model.main),
    }


def timed(*files: ModelFile) -> list[float]:
    """Returns the median milliseconds of each form over interleaved rounds."""
    runtimes = [TFLiteMicro(file) for file in files]
    times: list[list[float]] = [[] for _ in runtimes]
    for _ in range(FLAGS.rounds):
        for runtime, some in zip(runtimes, times, strict=True):
            (given,) = runtime.model.main.inputs
            start = time.perf_counter()
            runtime.invoke(np.zeros(given.shape, given.dtype))
            some.append((time.perf_counter() - start) * 1000)
    return [round(statistics.median(some), 2) for some in times]


def settings(path: Path) -> list[Any]:
    """Returns the settings that a row depends on."""
    return [sha256_of(path), FLAGS.arena, FLAGS.inputs, FLAGS.rounds]


def print_table(rows: dict[Path, dict[str, Any]]) -> None:
    """Prints the rows as a Markdown table."""
    print(f"\n| {' | '.join(COLUMNS)} |\n| --- | --- |{' ---: |' * (len(COLUMNS) - 2)}")
    for path, one in rows.items():
        for form in ("plain", "tflm"):
            cells = [path.stem, form, *(f"{one[form][column]:,}" for column in COLUMNS[2:8])]
            cells += [f"{one[form]['slow']:.0%}", f"{one[form]['ms']:.1f}", str(FLAGS.inputs)]
            print(f"| {' | '.join(cells)} |")


def draw(rows: dict[Path, dict[str, Any]], path: Path) -> None:
    """Plots the live tensor memory at each operator, plain and rewritten, for each file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.6 * len(rows)), layout="constrained")
    for axes, (file, one) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows.items(), strict=True):
        for form, color in (("plain", "tab:gray"), ("tflm", "tab:green")):
            live = np.array(one[form]["live"]) / 1024
            indices = np.linspace(0, 1, len(live) + 1)
            label = f"{form}: {len(live)} operators, {one[form]['planned'] / 1024:.0f} KiB planned"
            axes.stairs(live, indices, fill=True, alpha=0.5, color=color, label=label)
        axes.set_title(file.stem)
        axes.set_ylabel("live memory, KiB")
        axes.set_xticks([])
        axes.margins(x=0)
        axes.legend()
    figure.get_axes()[-1].set_xlabel("operators, in execution order")
    FigureCanvasAgg(figure)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=100)


def main(words: list[str]) -> None:
    """Computes the missing rows, prints the table of the given files, and draws the plot."""
    if not words:
        raise ValueError("give one or more flatbuffers")
    path = Path(FLAGS.rows)
    rows = read_rows(path)
    done = {str(one["settings"]): one for one in rows}
    files = [Path(word) for word in words]
    for file in files:
        if str(settings(file)) not in done:
            print(f"{file} ...", flush=True)
            rows.append(row(file))
            done[str(settings(file))] = rows[-1]
            write_rows(path, rows)
    found = {file: done[str(settings(file))] for file in files}
    print_table(found)
    if FLAGS.plot:
        draw(found, Path(FLAGS.plot))


if __name__ == "__main__":
    Command(main, FLAGS, positional=True)()
