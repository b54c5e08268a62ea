"""Latency of flatbuffers with XNNPACK: every variant, plain and rewritten for phones, with MobileFaceNet and peers.

    python benchmarks/latency.py --rounds latency.jsonl --plot latency.png
    python benchmarks/latency.py --rounds passes.jsonl --passes phone,share
    python benchmarks/latency.py --rounds passes_without_amx.jsonl --passes phone --without_amx

Networks have random weights (seed 0) and batch statistics of synthetic faces; they are converted once, into --models.
Each round runs every flatbuffer twice and times the second run. Flatbuffers are interleaved, so that other load on the
machine affects all of them. Prints minimum and median over the rounds, and the ratio of the minimum to that of the
plain form. Each round is written to --rounds when done; a rerun continues until there are --count rounds.

--passes times a network after each of the passes (seesaw_keras.tflite.passes), and with pairs merged never or always
instead of as decided by `merge_pairs`.

XNNPACK uses the processor's matrix unit (AMX) if available. Phones do not have one: --without_amx denies it to this
process (Linux on x86-64), which leaves 4-byte dot products, as on phones.
"""

import ctypes
import json
import statistics
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from timing import milliseconds_of

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.files import replacing
from seesaw_keras.models.configs import list_models

FLAGS = Flags()
FLAGS.DEFINE_string("rounds", None, "JSON Lines file for the rounds.", required=True)
FLAGS.DEFINE_integer("count", 100, "Number of rounds.", 1)
FLAGS.DEFINE_list("variants", list_models(), "Networks to time.")
FLAGS.DEFINE_list("types", ["int8", "float32"], "Types of weights and arithmetic.")
FLAGS.DEFINE_list("threads", ["1", "2"], "Numbers of XNNPACK threads.")
FLAGS.DEFINE_string("peers", "peers", "Folder of other .tflite files to time; skipped if it does not exist.")
FLAGS.DEFINE_list("passes", [], "Variants to time after each pass, instead of all networks.")
FLAGS.DEFINE_bool("without_amx", False, "Whether to disable the processor's matrix unit (AMX) for XNNPACK.")
FLAGS.DEFINE_string("models", "runs/latency", "Folder for converted networks.")
FLAGS.DEFINE_string("plot", None, "PNG file for a plot of the minima.")

STATISTICS_IMAGES = 64  # as in tools/convert_tflite.py
PRELU = "mobilefacenet, PReLU"  # the other common MobileFaceNet


class Form(NamedTuple):
    """A flatbuffer to time.

    Attributes:
        network: name of the network.
        type: type of weights and arithmetic.
        form: name of the form; "plain" is the baseline for the other forms of the same network and type.
        data: contents of the file.
    """

    network: str
    type: str
    form: str
    data: bytes


def without_amx() -> None:
    """Installs a seccomp filter that denies AMX to this process; XNNPACK then does not use it.

    XNNPACK requests AMX with the system call arch_prctl.

    Raises:
        ValueError: if this is not supported on this machine.
    """
    load_number, load_argument, jump_if, answer = 0x20, 0x20, 0x15, 0x06
    arch_prctl, get_permission, ask_permission, refuse, allow = 158, 0x1022, 0x1023, 0x50001, 0x7FFF0000
    program = [
        (load_number, 0, 0, 0),
        (jump_if, 0, 4, arch_prctl),
        (load_argument, 0, 0, 16),
        (jump_if, 1, 0, get_permission),
        (jump_if, 0, 1, ask_permission),
        (answer, 0, 0, refuse),
        (answer, 0, 0, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    head = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    no_new_privileges, set_filter, mode = 38, 22, 2
    libc = ctypes.CDLL(None, use_errno=True)
    if not sys.platform.startswith("linux") or libc.prctl(no_new_privileges, 1, 0, 0, 0):
        raise ValueError("--without_amx: only supported on Linux")
    if libc.prctl(set_filter, mode, head):
        raise ValueError(f"--without_amx: Linux rejected the seccomp filter: error {ctypes.get_errno()}")


def converted(variant: str, type: str) -> bytes:
    """Returns a network's flatbuffer from the converter, cached in --models."""
    path = Path(FLAGS.models) / f"{variant.replace(', ', '_')}_{type}.tflite"
    if not path.exists():
        print(f"converting {variant} to {type} ...", file=sys.stderr, flush=True)
        quiet_tensorflow()
        import seesaw_keras
        from seesaw_keras.api import keras
        from seesaw_keras.data.representative import representative_images
        from seesaw_keras.models.statistics import set_batch_statistics
        from seesaw_keras.tflite import flatbuffer
        from seesaw_keras.tflite.conversion.convert import convert
        from seesaw_keras.tflite.conversion.interface import to_float

        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        name, _, activation = variant.partition(", ")
        network = seesaw_keras.build(name, activation=activation.lower() or None)
        images = representative_images(None, STATISTICS_IMAGES, side=network.input_shape[1])
        set_batch_statistics(network, to_float(images))
        flatbuffer.write(path, convert(network, type=type, images=images, facts={"variant": name, "trained": False}))
    return path.read_bytes()


def all_networks() -> Iterable[Form]:
    """Yields every variant and MobileFaceNet with PReLU in both forms, and the peers' files unchanged."""
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.passes import rewrite

    for variant in [*FLAGS.variants, *([PRELU] if "mobilefacenet" in FLAGS.variants else [])]:
        for type in FLAGS.types:
            plain = converted(variant, type)
            model = flatbuffer.loads(plain)
            rewrite(model, "xnnpack")
            yield Form(variant, type, "plain", plain)
            yield Form(variant, type, "xnnpack", flatbuffer.dumps(model))
    for path in sorted(Path(FLAGS.peers).glob("*.tflite")):
        yield Form(path.stem, "", "plain", path.read_bytes())


def after_each_pass() -> Iterable[Form]:
    """Yields the variants in --passes after each additional pass, and with other choices of pairs to merge."""
    from seesaw_keras.tflite import flatbuffer, passes
    from seesaw_keras.tflite.passes import merge_pairs

    always = [lambda graph: merge_pairs(graph, madds_per_byte=float("inf"))]
    others = [change for change in passes.TARGETS["xnnpack"] if change is not merge_pairs]
    orders = {f"... {change.__name__}": [*others[:n], change] for n, change in enumerate(others)}
    orders |= {"xnnpack": passes.TARGETS["xnnpack"], "xnnpack, all pairs merged": [*always, *others]}
    for variant in FLAGS.passes:
        for type in FLAGS.types:
            plain = converted(variant, type)
            yield Form(variant, type, "plain", plain)
            for form, changes in orders.items():
                model = flatbuffer.loads(plain)
                for change in changes:
                    change(model.main)
                yield Form(variant, type, form, flatbuffer.dumps(model))


def key(form: Form, threads: str) -> str:
    """Returns the key of a flatbuffer in the rounds file."""
    return f"{form.network}; {form.type}; {form.form}; {threads}"


def finished(path: Path, keys: set[str]) -> list[dict[str, float]]:
    """Returns the rounds stored in a file; empty if it does not exist."""
    if not path.exists():
        return []
    try:
        rounds = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON Lines file of this benchmark ({error}); give another file") from error
    if any(round.keys() != keys for round in rounds):
        raise ValueError(f"{path}: contains rounds of other networks; give another file")
    return rounds


def time_rounds(forms: list[Form]) -> list[dict[str, float]]:
    """Runs the missing rounds; returns the milliseconds of all rounds."""
    from tqdm import tqdm

    from seesaw_keras.tflite.runtimes import open_runtime

    path = Path(FLAGS.rounds)
    keys = {key(form, threads) for form in forms for threads in FLAGS.threads}
    rounds = finished(path, keys)
    if len(rounds) >= FLAGS.count:
        return rounds
    runtimes: dict[str, Any] = {}
    for form in tqdm(forms, desc="loading", disable=None):
        for threads in FLAGS.threads:
            runtimes[key(form, threads)] = open_runtime("xnnpack", form.data, threads=int(threads))
    for _ in tqdm(range(len(rounds), FLAGS.count), desc="rounds", disable=None):
        rounds.append({name: round(milliseconds_of(runtime), 4) for name, runtime in runtimes.items()})
        with replacing(path) as beside:
            beside.write_text("".join(json.dumps(line) + "\n" for line in rounds), "utf-8")
    return rounds


def print_table(forms: list[Form], rounds: list[dict[str, float]]) -> None:
    """Prints minimum and median times as a Markdown table."""
    from seesaw_keras.tflite import flatbuffer

    columns = [f"{word}, {n} thread{'s' * (n != '1')}" for n in FLAGS.threads for word in ("ms", "median", "of plain")]
    print(f"\n| network | type | form | operators | bytes | {' | '.join(columns)} |")
    print(f"| --- | --- | --- |{' ---: |' * (2 + len(columns))}")
    for form in forms:
        cells = [form.network, form.type, form.form]
        cells += [str(len(flatbuffer.loads(form.data).main.operators)), f"{len(form.data):,}"]
        for threads in FLAGS.threads:
            times = [line[key(form, threads)] for line in rounds]
            plain = min(line[key(form._replace(form="plain"), threads)] for line in rounds)
            cells += [f"{min(times):.2f}", f"{statistics.median(times):.2f}", f"{min(times) / plain:.2f}"]
        print(f"| {' | '.join(cells)} |")


def draw(forms: list[Form], rounds: list[dict[str, float]], path: Path) -> None:
    """Plots the minimum times for the first entry of --threads as a bar chart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    threads = FLAGS.threads[0]
    figure = Figure(figsize=(8, 0.28 * len(forms) + 1), layout="constrained")
    axes = figure.add_subplot()
    times = [min(line[key(form, threads)] for line in rounds) for form in forms]
    colors = ["tab:gray" if form.form == "plain" else "tab:green" for form in forms]
    names = [" ".join(filter(None, (form.network, form.type, form.form if form.type else "(peer)"))) for form in forms]
    bars = axes.barh(names, times, color=colors)
    axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_xlabel(f"ms per image, XNNPACK, threads: {threads}, minimum of {len(rounds)} interleaved rounds")
    FigureCanvasAgg(figure)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=100)


def main() -> None:
    """Runs the benchmark, prints the table and draws the plot."""
    forms = list(after_each_pass() if FLAGS.passes else all_networks())
    if FLAGS.without_amx:
        without_amx()
    rounds = time_rounds(forms)
    print_table(forms, rounds)
    if FLAGS.plot:
        draw(forms, rounds, Path(FLAGS.plot))


if __name__ == "__main__":
    Command(main, FLAGS)()
