"""What the variant `micro` was chosen from: memory, flash and multiply-adds of networks like it, in the micro form.

    python benchmarks/micro_design.py --rows micro_design.jsonl
    python benchmarks/micro_design.py --rows micro_design.jsonl --designs "micro,no squeeze-excite"

A microcontroller of 512 KB SRAM leaves perhaps 256 KiB to the arena, and one of 1 MB flash 600 KB to the network.
Weights are random (seed 0): none of the figures follows from them. Arenas are TFLite Micro's on this machine, where
pointers have 8 bytes. Each row goes into --rows when it is done; a design takes one to some minutes.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import flags
from rows import read_rows, write_rows

from seesaw_keras import cli
from seesaw_keras.models.configs import ModelConfig, get_config

MICRO = get_config("micro")


# Configuration and width.
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

FLAGS = flags.FLAGS
flags.DEFINE_string("rows", None, "File of JSON lines for the results.", required=True)
flags.DEFINE_list("designs", list(DESIGNS), "Which to measure.")


def row(config: ModelConfig, width: float) -> dict[str, Any]:
    """Builds, converts and rewrites one design."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.data.representative import representative_images
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.convert import convert
    from seesaw_keras.tflite.costs import cost_of
    from seesaw_keras.tflite.interface import to_float
    from seesaw_keras.tflite.passes import rewrite
    from seesaw_keras.tflite.runtimes import Micro

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    network = seesaw_keras.build(config, width=width)
    images = representative_images(None, CALIBRATION, side=config.image_size)
    set_batch_statistics(network, to_float(images))
    data = convert(network, images=images, facts={"variant": config.name, "trained": False})
    model, plain = flatbuffer.loads(data), Micro(data).arena
    rewrite(model, "micro")
    made = flatbuffer.dumps(model)
    arena = Micro(made).arena
    return {
        "parameters": network.count_params(),
        "multiply-adds": cost_of(model).madds,
        "plain arena": plain.total,
        "planned": arena.planned,
        "persistent": arena.persistent,
        "arena": arena.total,
        "flash": len(made),
        "operators": len(model.main.operators),
    }


def main() -> None:
    """Makes the rows that are missing, and prints the table of those asked for."""
    for name in FLAGS.designs:
        if name not in DESIGNS:
            raise ValueError(f"--designs: no design {name!r}; there are {', '.join(DESIGNS)}")
    cli.quiet_tensorflow()
    path = Path(FLAGS.rows)
    rows = read_rows(path)
    done = {one["design"]: one for one in rows if one["settings"] == repr(DESIGNS.get(one["design"]))}
    for name in FLAGS.designs:
        if name not in done:
            print(f"{name} ...", file=sys.stderr, flush=True)
            done[name] = {"design": name, "settings": repr(DESIGNS[name]), **row(*DESIGNS[name])}
            rows.append(done[name])
            write_rows(path, rows)
    print(f"| design | {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * len(COLUMNS)}")
    for name in FLAGS.designs:
        print(f"| {name} | {' | '.join(f'{done[name][column]:,}' for column in COLUMNS)} |")


if __name__ == "__main__":
    cli.run(main)
