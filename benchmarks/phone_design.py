"""Design alternatives for the variant `phone`: size, latency, training speed and accuracy of similar networks.

    python benchmarks/phone_design.py --rows phone_design.jsonl
    python benchmarks/phone_design.py --rows phone_design.jsonl --parts latency --again latency \
        --designs "today" --designs "ReLU, SE in stage 3, 128-d"
    python benchmarks/phone_design.py --rows phone_design.jsonl --set epochs=2 --set image_size=64 \
        --data faces --teacher teacher.onnx --teacher_cache runs/teacher --verify validation.zip --verify turned.zip

Networks are converted to int8 with random weights (seed 0) and batch statistics of synthetic faces. The parts:

- size: parameters, multiply-adds, bytes in the `xnnpack` form, and TFLite Micro's arena in the `tflm` form, on this
  machine with 8-byte pointers.
- latency: XNNPACK, int8, one thread, `xnnpack` form, in milliseconds and as a ratio to MobileFaceNet (swish) as
  converted. All designs and MobileFaceNet are interleaved; the minimum over --latency_rounds is reported. Measured
  twice in separate processes: with the processor's matrix unit (AMX) and, as on phones, without it (see latency.py).
- speed: training throughput of a distillation step in images per second (batch 64, 112x112, one batch in memory), the
  maximum over --speed_rounds rounds interleaved with MobileFaceNet, and the ratio to it.
- accuracy: accuracy of the float network in percent on each --verify set after the last epoch of one training run with
  --recipe and --set. Data, teachers, seed and schedule are the same for all designs; only the network and its embedding
  size differ.

Each result is written to --rows when done (latency: all designs at once); a rerun measures the missing ones. --again
lists parts to measure again. Networks and training runs are kept in --out.
"""

import json
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from rows import read_rows, write_rows
from timing import milliseconds_of
from tqdm import tqdm

import seesaw_keras
from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data import Mixture, open_pairs, open_source
from seesaw_keras.data.representative import representative_images
from seesaw_keras.models.configs import ModelConfig, get_config
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.passes import rewrite
from seesaw_keras.tflite.runtimes import TFLiteMicro, open_runtime
from seesaw_keras.training.callbacks.history import HISTORY, History, read_history
from seesaw_keras.training.callbacks.progress import ProgressBar
from seesaw_keras.training.callbacks.validation import BEST, Validation
from seesaw_keras.training.distillation.teacher import load_teachers, teacher_targets
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes


class Design(NamedTuple):
    """A network to measure."""

    config: ModelConfig
    width: float = 1.0
    embedding_size: int = 128


# Derived explicitly from the paper's network, so that the designs do not change with the registry's `phone`.
TODAY = replace(
    get_config("shuffle"), summary="", activation="swish", squeeze_excite=(1, 2, 3), se_activation="relu", shuffle=True
)
RELU = replace(TODAY, activation="relu", squeeze_excite=(3,))
NO_SHUFFLE = replace(RELU, shuffle=False)
SMALL_STEM = replace(RELU, stem=32)


def narrow(first: int, second: int) -> ModelConfig:
    """Returns a network with half the channels at 56x56 and the given numbers of blocks in stages 1 and 2."""
    one, two, three = TODAY.stages
    stages = (replace(one, down_expansion=64, blocks=first), replace(two, blocks=second), three)
    return replace(SMALL_STEM, stages=stages)


YARDSTICK = "mobilefacenet, swish, 512-d"
DESIGNS = {
    "today": Design(TODAY, embedding_size=512),
    "today, 128-d": Design(TODAY),
    "ReLU, SE in stage 3, 128-d": Design(RELU),
    "ReLU, SE in stage 3, 512-d": Design(RELU, embedding_size=512),
    "ReLU6, SE in stage 3, 128-d": Design(replace(RELU, activation="relu6")),
    "ReLU, no SE, 128-d": Design(replace(RELU, squeeze_excite=())),
    "ReLU, SE in stage 3, no shuffle, 128-d": Design(NO_SHUFFLE),
    "ReLU, SE in stage 3, no shuffle, wide first, 128-d": Design(replace(NO_SHUFFLE, wide_projection="first")),
    "ReLU, SE in stage 3, stem of 32, 256-d": Design(SMALL_STEM, embedding_size=256),
    "ReLU, SE in stage 3, stem of 32, first expansion 64, 256-d": Design(narrow(4, 6), embedding_size=256),
    "the same, blocks 3 6 2": Design(narrow(3, 6), embedding_size=256),
    "the same, blocks 2 7 2": Design(narrow(2, 7), embedding_size=256),
    "the same, blocks 2 8 2": Design(narrow(2, 8), embedding_size=256),
    "ReLU, SE in stage 3, 0.75 of the channels, 128-d": Design(RELU, width=0.75),
    "ReLU, SE in stage 3, 0.875 of the channels, 256-d": Design(RELU, width=0.875, embedding_size=256),
    "ReLU, SE in stage 3, 1.25 of the channels, 128-d": Design(RELU, width=1.25),
    YARDSTICK: Design(replace(get_config("mobilefacenet"), summary=""), embedding_size=512),
}
COLUMNS = {  # columns of each part, with their formats
    "size": {"parameters": ",", "multiply-adds": ",", "bytes": ",", "arena": ","},
    "latency": {"ms": ".2f", "ratio": ".2f", "ms, no AMX": ".2f", "ratio, no AMX": ".2f"},
    "speed": {"images/s": ".1f", "speed ratio": ".2f"},
    "accuracy": {},  # one per --verify
}
DEPENDS = {  # flags on which the results of each part depend
    "size": [],
    "latency": ["latency_rounds"],
    "speed": ["speed_rounds"],
    "accuracy": ["data", "data_weights", "teacher", "teacher_preprocess", "verify"],
}
STATISTICS_IMAGES = 64  # as in tools/convert_tflite.py
BATCH_SIZE, STEPS = 64, 2  # per round of the training speed
Results = Iterator[tuple[str, dict[str, Any]]]  # name of the design and its measurements

FLAGS = Flags()
# Importing latency.py also defines its flags, so flag names must not collide with them.
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_multi_string("designs", list(DESIGNS), "Design to measure; can be repeated. Default: all.")
FLAGS.DEFINE_list(
    "parts", None, f"Parts to measure: {', '.join(COLUMNS)}. Default: all, but accuracy only with --data."
)
FLAGS.DEFINE_list("again", [], "Parts to measure again even if --rows has their results.")
FLAGS.DEFINE_string("out", "runs/phone_design", "Folder for converted networks, training runs and teacher embeddings.")
FLAGS.DEFINE_integer("latency_rounds", 60, "Number of rounds of the latency.", 1)
FLAGS.DEFINE_integer("speed_rounds", 5, "Number of rounds of the training speed.", 1)
FLAGS.DEFINE_enum("recipe", "distill", list_recipes(), "Recipe of the training runs.")
FLAGS.DEFINE_multi_string("set", [], "Override of a field of the recipe, key=value.")
FLAGS.DEFINE_multi_string("data", None, "Faces to train on; can be repeated.")
FLAGS.DEFINE_list("data_weights", None, "How often the images of each --data are shown per epoch, such as 1,0.5.")
FLAGS.DEFINE_multi_string("teacher", [], "Teacher model or stored embeddings; can be repeated.")
FLAGS.DEFINE_list("teacher_preprocess", None, "Input preprocessing of the teachers, one for each. Default: pm1.")
FLAGS.DEFINE_string("teacher_cache", None, "Cache folder of the teachers' embeddings. Default: OUT/teacher.")
FLAGS.DEFINE_multi_string("verify", [], "Pairs to verify; can be repeated.")


def build(design: Design, side: int = 112, *, normalize: bool = True) -> Any:
    """Builds the network of a design."""
    config, width, length = design
    shape = (side, side, 3)
    return seesaw_keras.build(config, width=width, embedding_size=length, input_shape=shape, normalize=normalize)


def slug(name: str, key: str) -> str:
    """Returns a file name for a design that is unique per key."""
    return re.sub(r"\W+", "_", name) + "." + sha256(key.encode()).hexdigest()[:8]


def converted(name: str, form: str) -> Path:
    """Returns the path of a design's int8 flatbuffer, as converted ("plain") or rewritten; cached in --out."""
    path = Path(FLAGS.out) / "converted" / f"{slug(name, repr(DESIGNS[name]))}.{form}.tflite"
    if path.exists():
        return path
    from seesaw_keras.api import keras
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.tflite.conversion.interface import to_float

    if form == "plain":
        keras.utils.set_random_seed(0)
        network = build(DESIGNS[name])
        images = representative_images(None, STATISTICS_IMAGES, side=network.input_shape[1])
        set_batch_statistics(network, to_float(images))
        model = convert(network, images=images, facts={"variant": DESIGNS[name].config.name, "trained": False})
    else:
        model = flatbuffer.read(converted(name, "plain"))
        rewrite(model, form)
    flatbuffer.write(path, model)
    return path


def size(names: list[str]) -> Results:
    """Measures the parameters, multiply-adds, file size and arena of each design."""
    from seesaw_keras.models.counting import count_madds, count_parameters

    for name in names:
        network = build(DESIGNS[name])
        yield (
            name,
            {
                "parameters": count_parameters(network),
                "multiply-adds": count_madds(network),
                "bytes": converted(name, "xnnpack").stat().st_size,
                "arena": TFLiteMicro(converted(name, "tflm")).arena.total,
            },
        )


def fastest(paths: list[Path], rounds: int, amx: bool) -> list[float]:
    """Returns the minimum milliseconds of each file; `amx=False` disables AMX for the rest of this process."""
    if not amx:
        from latency import without_amx

        without_amx()
    runtimes = [open_runtime("xnnpack", path, threads=1) for path in paths]
    bar = tqdm(range(rounds), desc="AMX" if amx else "no AMX", disable=None)
    times = [[milliseconds_of(runtime) for runtime in runtimes] for _ in bar]
    return [min(column) for column in zip(*times, strict=True)]


def latency(names: list[str]) -> Results:
    """Times all designs interleaved with MobileFaceNet as converted."""
    if not names:
        return
    paths = [converted(YARDSTICK, "plain"), *(converted(name, "xnnpack") for name in names)]
    results: dict[str, dict[str, float]] = {name: {} for name in names}
    for amx, suffix in ((True, ""), (False, ", no AMX")):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            yardstick, *times = process.submit(fastest, paths, FLAGS.latency_rounds, amx).result()
        for name, milliseconds in zip(names, times, strict=True):
            results[name] |= {
                f"ms{suffix}": round(milliseconds, 4),
                f"ratio{suffix}": round(milliseconds / yardstick, 4),
                f"yardstick{suffix}": round(yardstick, 4),
            }
    yield from results.items()


@lru_cache(maxsize=2)  # MobileFaceNet and one design
def distillation_step(name: str) -> Callable[[], Any]:
    """Returns a function that trains a design for one step with the cosine loss, after warm-up steps."""
    import tensorflow as tf

    from seesaw_keras.training.fast.fast_graph import FastForward
    from seesaw_keras.training.objective import Objective
    from seesaw_keras.training.optimizers.optimizer import Optimizer, reference_weight_decay
    from seesaw_keras.training.optimizers.schedules import make_schedule
    from seesaw_keras.training.step import TrainingStep
    from seesaw_keras.training.strategies import make_strategy

    length = DESIGNS[name].embedding_size
    network = build(DESIGNS[name], normalize=False)
    objective = Objective(None, cosine_weight=1.0, teacher_size=length)
    objective.build(network.output_shape)
    schedule = make_schedule("constant", peak=0.01, total_steps=1)
    optimizer = Optimizer("sgd", schedule, momentum=0.9, decays=reference_weight_decay(4e-5, 4e-4))
    optimizer.build([*network.trainable_variables, *objective.trainable_variables])
    step = TrainingStep(make_strategy("none"), FastForward(network), objective, optimizer)
    generator = tf.random.Generator.from_seed(0)
    images = generator.uniform((BATCH_SIZE, *network.input_shape[1:]), -1, 1)
    batch = images, tf.range(BATCH_SIZE), generator.normal((BATCH_SIZE, length))
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    for _ in range(2):
        step.read(step(batches, BATCH_SIZE, [0.0]))
    return lambda: step.read(step(batches, BATCH_SIZE, [0.0]))


def speed(names: list[str]) -> Results:
    """Measures the training throughput of each design, interleaved with MobileFaceNet."""
    for name in names:
        rates: dict[str, list[float]] = {YARDSTICK: [], name: []}
        for _ in range(FLAGS.speed_rounds):
            for one, measured in rates.items():
                step = distillation_step(one)
                start = time.perf_counter()
                for _ in range(STEPS):
                    step()
                measured.append(STEPS * BATCH_SIZE / (time.perf_counter() - start))
        best = {one: max(measured) for one, measured in rates.items()}
        yield name, {"images/s": round(best[name], 2), "speed ratio": round(best[name] / best[YARDSTICK], 4)}


def recipe_for(design: Design) -> Recipe:
    """Returns the recipe selected by the flags, with the embedding size of a design."""
    return replace(get_recipe(FLAGS.recipe).override(FLAGS.set), embedding_size=design.embedding_size)


def design_to_train(design: Design, image_size: int) -> Any:
    """Returns the network provider that `train` requires for a network outside the registry."""
    from seesaw_keras.training.fast.fast_graph import FastForward
    from seesaw_keras.training.network import NetworkProvider

    class DesignNetwork(NetworkProvider):
        def __init__(self) -> None:
            self.facts = {"design": repr(design)}

        def build(self, total_steps: int, *, normalize: bool) -> Any:
            return build(design, image_size, normalize=normalize)

        def forward(self, network: Any, step: Any) -> Callable[..., Any]:
            return FastForward(network)

    return DesignNetwork()


def targets(recipe: Recipe, source: Any) -> Any:
    """Returns the teachers' embeddings of the data, or None if the recipe does not distill."""
    if recipe.distills != bool(FLAGS.teacher):
        raise ValueError(f"--teacher: the recipe {recipe.name} {'needs' if recipe.distills else 'does not use'} one")
    if not FLAGS.teacher:
        return None
    teachers = load_teachers(FLAGS.teacher, FLAGS.teacher_preprocess)
    folder = FLAGS.teacher_cache or Path(FLAGS.out) / "teacher"
    with tqdm(total=len(source) * len(teachers), desc="teacher", unit="image", disable=None) as bar:
        return teacher_targets(
            teachers, source, folder, size=recipe.embedding_size, views=recipe.views, progress=bar.update
        )


def accuracy(names: list[str]) -> Results:
    """Trains each design and measures its verification accuracy."""
    from seesaw_keras.training.trainer import train

    if not names:
        return
    sources = [open_source(path) for path in FLAGS.data]
    weights = None if FLAGS.data_weights is None else [float(text) for text in FLAGS.data_weights]
    source = sources[0] if len(sources) == 1 and weights is None else Mixture(sources, weights)
    pairs = {verification_name(path): open_pairs(path) for path in FLAGS.verify}
    for name in names:
        recipe = recipe_for(DESIGNS[name])
        out = Path(FLAGS.out) / "trained" / slug(name, settings(name, "accuracy"))
        train(
            recipe,
            source,
            out,
            teacher=targets(recipe, source),
            network=design_to_train(DESIGNS[name], recipe.image_size),
            callbacks=[Validation(pairs), History(), ProgressBar()],
        )
        history = read_history(out / HISTORY)
        last = {one: float(history[f"{one}_accuracy"][-1]) for one in pairs}
        yield name, last | {"best": json.loads((out / BEST).read_text("utf-8"))["figures"]}


def verification_name(path: str) -> str:
    """Returns the name of a verification set: the first word of its file name, as in tools/train.py."""
    return re.split(r"\W|_", Path(path).name)[0]


def settings(name: str, part: str) -> str:
    """Returns the settings that a result depends on."""
    recipe = recipe_for(DESIGNS[name]) if part == "accuracy" else None
    return repr((DESIGNS[name], recipe, *(FLAGS[flag].value for flag in DEPENDS[part])))


def parts_to_measure() -> list[str]:
    """Returns the parts selected by the flags.

    Raises:
        ValueError: if a part or design is unknown, a flag required for the accuracy is missing, or two sets of pairs
            have the same name.
    """
    parts = FLAGS.parts or [part for part in COLUMNS if part != "accuracy" or FLAGS.data]
    for flag, given, known in (("designs", FLAGS.designs, DESIGNS), ("parts", [*parts, *FLAGS.again], COLUMNS)):
        for word in given:
            if word not in known:
                raise ValueError(f"--{flag}: unknown {word!r}; choose from: {'; '.join(known)}")
    if "accuracy" in parts and not (FLAGS.data and FLAGS.verify):
        raise ValueError("--parts accuracy: give --data and --verify")
    if len(set(map(verification_name, FLAGS.verify))) < len(FLAGS.verify):
        raise ValueError("--verify: two sets have the same first word in their file names; rename one")
    return parts


def print_table(parts: list[str], results: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Prints the results of the selected parts as a Markdown table."""
    COLUMNS["accuracy"] = {verification_name(path): ".2f" for path in FLAGS.verify}
    columns = [(part, *column) for part in parts for column in COLUMNS[part].items()]
    print(f"| design | {' | '.join(title for _, title, _ in columns)} |\n| --- |{' ---: |' * len(columns)}")
    for name in FLAGS.designs:
        print(f"| {' | '.join([name, *(format(results[name, part][key], how) for part, key, how in columns)])} |")


def main() -> None:
    """Measures the missing results and prints the table."""
    measures = {"size": size, "latency": latency, "speed": speed, "accuracy": accuracy}
    parts = parts_to_measure()
    quiet_tensorflow()
    path = Path(FLAGS.rows)
    rows = {(row["design"], row["part"], row["settings"]): row for row in read_rows(path)}
    results: dict[tuple[str, str], dict[str, Any]] = {}
    for part in parts:
        keys = {name: (name, part, settings(name, part)) for name in FLAGS.designs}
        missing = [name for name, key in keys.items() if key not in rows or part in FLAGS.again]
        print(f"{part}: {len(missing)} of {len(keys)} designs to measure", file=sys.stderr, flush=True)
        for name, values in measures[part](missing):
            rows[keys[name]] = {"design": name, "part": part, "settings": keys[name][2], **values}
            write_rows(path, list(rows.values()))
        results |= {(name, part): rows[key] for name, key in keys.items()}
    print_table(parts, results)


if __name__ == "__main__":
    Command(main, FLAGS)()
