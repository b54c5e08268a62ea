"""Design alternatives for the variant `micro`: memory, flash, multiply-adds and accuracy of similar networks.

    python benchmarks/micro_design.py --rows micro_design.jsonl
    python benchmarks/micro_design.py --rows micro_design.jsonl --designs "micro,no squeeze-excite"

A microcontroller with 512 KB SRAM has about 256 KiB available for the arena, and one with 1 MB flash about 600 KB for
the network. Memory and flash are measured for the micro form with random weights (seed 0), which do not affect them.
Arena sizes are those of TFLite Micro on this machine, with 8-byte pointers.

The accuracy is that of the float network on pairs of synthetic identities, with its 95% interval: each design is
trained with the recipe `synthetic` for --epochs epochs, at a third of its image side (32, or 48 for 112x112), on 2,000
other synthetic identities. Faces and checkpoints are written to --out.

Each row is written to --rows when done; a rerun continues. A design takes a few minutes.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.models.configs import ModelConfig, get_config

MICRO = get_config("micro")


# Configuration and width multiplier by name.
DESIGNS: dict[str, tuple[ModelConfig, float]] = {
    "micro": (MICRO, 1),
    "no squeeze-excite": (replace(MICRO, squeeze_excite=()), 1),
    "squeeze-excite in stages 2 and 3": (replace(MICRO, squeeze_excite=(2, 3)), 1),
    "squeeze-excite everywhere": (replace(MICRO, squeeze_excite=(1, 2, 3)), 1),
    "squeeze-excite everywhere, hard swish": (replace(MICRO, squeeze_excite=(1, 2, 3), activation="hard_swish"), 1),
    "5/4 of the channels": (MICRO, 1.25),
    "5/4, squeeze-excite in stages 2 and 3": (replace(MICRO, squeeze_excite=(2, 3)), 1.25),
    "dense 1x1 convolutions, no squeeze-excite": (replace(MICRO, uneven=False, shuffle=False, squeeze_excite=()), 1),
    "112x112": (replace(MICRO, image_size=112), 1),
}
COLUMNS = ["parameters", "multiply-adds", "plain arena", "planned", "persistent", "arena", "flash", "operators"]
CALIBRATION = 16  # images
PAIRS, PEOPLE = "synthetic:2000@{}", "synthetic:2000x10@{}"  # for verification and for training

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_list("designs", list(DESIGNS), "Designs to measure.")
FLAGS.DEFINE_string("out", "runs/micro_design", "Folder for faces and training runs.")
FLAGS.DEFINE_integer("epochs", 2, "Number of epochs of each training run.", 1)


def size(config: ModelConfig, width: float) -> dict[str, Any]:
    """Builds, converts and rewrites one design; returns its size and memory."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.data.representative import representative_images
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.analysis.costs import cost_of
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.tflite.conversion.interface import to_float
    from seesaw_keras.tflite.flatbuffer import ModelFile
    from seesaw_keras.tflite.passes import rewrite
    from seesaw_keras.tflite.runtimes import TFLiteMicro

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    network = seesaw_keras.build(config, width=width)
    images = representative_images(None, CALIBRATION, side=config.image_size)
    set_batch_statistics(network, to_float(images))
    model = convert(network, images=images, facts={"variant": config.name, "trained": False})
    plain = TFLiteMicro(model).arena
    rewrite(model, "tflm")
    file = ModelFile.of(model)
    arena = TFLiteMicro(file).arena
    return {
        "parameters": network.count_params(),
        "multiply-adds": cost_of(model).madds,
        "plain arena": plain.total,
        "planned": arena.planned,
        "persistent": arena.persistent,
        "arena": arena.total,
        "flash": len(file.data),
        "operators": len(model.main.operators),
    }


def design_to_train(config: ModelConfig, width: float) -> Any:
    """Returns the network provider that `train` requires for a network outside the registry."""
    import seesaw_keras
    from seesaw_keras.training.fast.fast_graph import FastForward
    from seesaw_keras.training.network import NetworkProvider

    class DesignNetwork(NetworkProvider):
        def __init__(self) -> None:
            self.facts = {"design": repr((config, width))}

        def build(self, total_steps: int, *, normalize: bool) -> Any:
            shape = (config.image_size, config.image_size, 3)
            return seesaw_keras.build(config, width=width, input_shape=shape, normalize=normalize)

        def forward(self, network: Any, step: Any) -> Callable[..., Any]:
            return FastForward(network)

    return DesignNetwork()


def accuracy(name: str, config: ModelConfig, width: float) -> dict[str, Any]:
    """Trains one design on synthetic faces; returns its verification accuracy and interval, 0 to 1."""
    from seesaw_keras.data import open_pairs, prepare_faces
    from seesaw_keras.inference.embedders import load_embedder
    from seesaw_keras.training.callbacks.progress import ProgressBar
    from seesaw_keras.training.recipe import get_recipe
    from seesaw_keras.training.trainer import train
    from seesaw_keras.verification.evaluation import evaluate

    side = -(-config.image_size // 48) * 16  # a multiple of 16
    recipe = replace(
        get_recipe("synthetic"), image_size=side, embedding_size=config.embedding_size, epochs=FLAGS.epochs
    )
    faces = Path(FLAGS.out) / f"faces{side}"
    with ProgressBars() as bars:
        prepare_faces(PEOPLE.format(side), faces, progress=bars)
    network = train(
        recipe,
        faces / "train",
        Path(FLAGS.out) / re.sub(r"\W+", "_", name),
        network=design_to_train(replace(config, image_size=side), width),
        callbacks=[ProgressBar()],
    )
    result = evaluate(load_embedder(network), open_pairs(PAIRS.format(side)))
    return {"accuracy": result.ten_fold.accuracy, "interval": result.bootstrap.intervals["accuracy"]}


def cells(row: dict[str, Any]) -> list[str]:
    """Returns the table cells of a row."""
    low, high = row["interval"]
    figures = f"{100 * row['accuracy']:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    return [row["design"], *(f"{row[column]:,}" for column in COLUMNS), figures]


def settings(name: str) -> str:
    """Returns the settings that a row depends on."""
    return repr((DESIGNS.get(name), FLAGS.epochs))


def main() -> None:
    """Computes the missing rows and prints the table of the requested ones."""
    for name in FLAGS.designs:
        if name not in DESIGNS:
            raise ValueError(f"--designs: unknown design {name!r}; choose from {', '.join(DESIGNS)}")
    quiet_tensorflow()
    path = Path(FLAGS.rows)
    rows = read_rows(path)
    done = {one["design"]: one for one in rows if one["settings"] == settings(one["design"])}
    for name in FLAGS.designs:
        if name not in done:
            print(f"{name} ...", file=sys.stderr, flush=True)
            facts = {"design": name, "settings": settings(name)}
            done[name] = facts | size(*DESIGNS[name]) | accuracy(name, *DESIGNS[name])
            rows.append(done[name])
            write_rows(path, rows)
    print(f"| design | {' | '.join(COLUMNS)} | accuracy |\n| --- |{' ---: |' * (len(COLUMNS) + 1)}")
    for name in FLAGS.designs:
        print(f"| {' | '.join(cells(done[name]))} |")


if __name__ == "__main__":
    Command(main, FLAGS)()
