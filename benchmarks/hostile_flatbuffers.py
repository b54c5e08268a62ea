"""Mutation-based fuzzing of the flatbuffer reader, and of LiteRT with files that the reader accepts or rejects.

    python benchmarks/hostile_flatbuffers.py --models peers/zye1996_993_quant.tflite --mutations 2000

Each mutant is a truncated file, or a file with a few bits, bytes or words changed or a piece copied elsewhere. Half of
the changes are at arbitrary positions, half outside the weight buffers, in the structure of the file. The reader must
either reject a mutant with FlatbufferError or accept it; an accepted mutant must survive another round trip. All
mutants are then loaded and run in LiteRT without delegates, each in a separate process; a process terminated by a
signal has crashed or timed out. Without --models, a small network is used. Exits with code 1 if the reader raises
anything other than FlatbufferError, or LiteRT crashes on an accepted mutant.
"""

import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.tflite.flatbuffer import FlatbufferError, Operator, Quantization, Tensor, build, dumps, loads

FLAGS = Flags()
FLAGS.DEFINE_multi_string("models", [], "Files to mutate. Default: a small network.")
FLAGS.DEFINE_integer("mutations", 2000, "Number of mutants per file.", 1)
FLAGS.DEFINE_integer("seed", 0, "Seed of the mutations.")
FLAGS.DEFINE_bool("litert", True, "Whether to run the mutants in LiteRT too, which takes most of the time.")
FLAGS.DEFINE_integer("seconds", 60, "Timeout of LiteRT in seconds.", 1)

WORDS = (0, 1, 2, 3, 4, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


def small_network() -> bytes:
    """Returns a flatbuffer with five operators that consists mostly of structure."""
    image, features, swish, mean, real = (
        Tensor("image", (1, 8, 8, 3), "INT8", Quantization(0.5, 3)),
        Tensor("features", (1, 4, 4, 8), "INT8", Quantization(0.1, -1)),
        Tensor("swish", (1, 4, 4, 8), "INT8", Quantization(1 / 256, -128)),
        Tensor("mean", (1, 8), "INT8", Quantization(0.05)),
        Tensor("real", (1, 8), "FLOAT32"),
    )
    product = Tensor("product", (1, 4, 4, 8), "INT8", Quantization(0.1, -1))
    weights = Tensor.constant("weights", np.ones((8, 3, 3, 3), np.int8), Quantization([0.01] * 8))
    bias = Tensor.constant("bias", np.arange(8, dtype=np.int32), Quantization([0.005] * 8))
    axes = Tensor.constant("axes", np.array([1, 2], np.int32))
    model = build(
        Operator("CONV_2D", [image, weights, bias], [features], {"stride_h": 2, "stride_w": 2}, 3),
        Operator("LOGISTIC", [features], [swish], version=2),
        Operator("MUL", [features, swish], [product], version=2),
        Operator("MEAN", [product, axes], [mean], version=2),
        Operator("DEQUANTIZE", [mean], [real], version=2),
    )
    return dumps(model)


def structure(data: bytes) -> np.ndarray:
    """Returns the byte offsets of a file that are not in weight buffers."""
    indices = np.ones(len(data), bool)
    start = np.frombuffer(data, np.uint8).ctypes.data
    for subgraph in loads(data).subgraphs:
        for tensor in subgraph.tensors:
            if tensor.data is not None and tensor.data.nbytes > 64:
                begin = tensor.data.ctypes.data - start
                indices[begin : begin + tensor.data.nbytes] = False
    return np.flatnonzero(indices)


def mutant(data: bytes, indices: np.ndarray, r: random.Random) -> bytes:
    """Returns a randomly damaged copy of the file."""
    if r.random() < 0.1:
        return data[: r.randrange(len(data))]
    damaged = bytearray(data)
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        index = r.randrange(len(data)) if r.random() < 0.5 else int(r.choice(indices))
        match r.choice(("bit", "byte", "word", "word", "piece")):
            case "bit":
                damaged[index] ^= 1 << r.randrange(8)
            case "byte":
                damaged[index] = r.randrange(256)
            case "word":
                index -= index % 4
                word = r.choice((*WORDS, len(data), r.randrange(len(data)), r.getrandbits(32)))
                damaged[index : index + 4] = word.to_bytes(4, "little")
            case _:
                source, size = int(r.choice(indices)), min(r.randrange(1, 64), len(data) - index)
                damaged[index : index + size] = damaged[source : source + size]
    return bytes(damaged[: len(data)])


def in_litert(data: bytes) -> str:
    """Runs a file in a separate process; returns "runs", "rejects", or the name of the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(FLAGS.seconds)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            interpreter = Interpreter(
                model_content=data,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                num_threads=1,
            )
            interpreter.allocate_tensors()
            interpreter.invoke()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return "rejects" if os.WEXITSTATUS(status) else "runs"


def measure(name: str, data: bytes) -> bool:
    """Prints the row of one file; returns whether there were no failures."""
    indices = structure(data)
    litert: Counter[tuple[bool, str]] = Counter()
    bad = []
    slowest = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in tqdm(range(FLAGS.mutations), name, file=sys.stderr):
        damaged = mutant(data, indices, random.Random(f"{FLAGS.seed} {number}"))
        start = time.perf_counter()
        model = None
        try:
            model = loads(damaged, name)
        except FlatbufferError:
            pass
        except Exception as error:
            bad.append(f"{number}: {error!r}")
        slowest = max(slowest, time.perf_counter() - start)
        accepted = model is not None
        if model is not None:
            written = dumps(model)
            if dumps(loads(written)) != written:
                bad.append(f"{number}: different file after a round trip")
        outcome = in_litert(damaged) if FLAGS.litert else "not run"
        litert[accepted, outcome] += 1
        if accepted and outcome.startswith("SIG"):
            bad.append(f"{number}: LiteRT terminated by {outcome}")
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    crashes = [
        _total(litert, accepted, lambda outcome: outcome.startswith("SIG")) if FLAGS.litert else "-"
        for accepted in (False, True)
    ]
    print(
        f"| {name} | {len(data):,} | {FLAGS.mutations} | {_total(litert, False)} | {_total(litert, True)} | {len(bad)} "
        f"| {1000 * slowest:.0f} | {growth:.0f} | {crashes[0]} | {crashes[1]} |",
        flush=True,
    )
    for line in bad:
        print(f"{name} mutant {line}", file=sys.stderr)
    return not bad


def _total(outcomes: Counter[tuple[bool, str]], accepted: bool, wanted: Callable[[str], bool] = bool) -> int:
    return sum(count for (taken, outcome), count in outcomes.items() if taken == accepted and wanted(outcome))


def main() -> None:
    """Prints the table."""
    import ai_edge_litert.interpreter  # noqa: F401 - imported once, before forking

    files = {Path(path).name: Path(path).read_bytes() for path in FLAGS.models} or {"small network": small_network()}
    print(
        "| file | bytes | mutants | rejected | accepted | failures | slowest read, ms | memory grew by, MB | ", end=""
    )
    print("LiteRT crashes on rejected | on accepted |\n| --- |" + " ---: |" * 9)
    right = [measure(name, data) for name, data in files.items()]
    sys.exit(not all(right))


if __name__ == "__main__":
    Command(main, FLAGS)()
