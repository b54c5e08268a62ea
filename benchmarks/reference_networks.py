"""Compares whole int8 networks in the NumPy reference with both native runtimes, tensor by tensor, and times them.

    python benchmarks/reference_networks.py --variants shuffle --side 112 --width 1

Every variant with every activation, with random weights and batch statistics of synthetic faces, is quantized by both
methods: post-training with measured ranges, and quantization-aware (with its initial ranges). Each network is run on 64
faces and four adversarial inputs by `seesaw_keras.tflite.checking`. A row contains the number of tensors, the number of
entries compared in the three pairs (NumPy and LiteRT's reference kernels, NumPy and TFLite Micro, the two native
runtimes), the number of differing entries, and the milliseconds per image for a single image and for a batch of eight,
minimum of three runs. Exits with code 1 if anything differs.
"""

import sys
import time
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data.representative import representative_images
from seesaw_keras.models.configs import list_models
from seesaw_keras.tflite.checking.check import check
from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.reference import Interpreter

ACTIVATIONS = ["swish", "hard_swish", "relu", "relu6", "prelu"]
METHODS = ["post-training", "quantization-aware"]

FLAGS = Flags()
FLAGS.DEFINE_multi_enum("variants", list_models(), list_models(), "Variants to measure.")
FLAGS.DEFINE_multi_enum("activations", ACTIVATIONS, ACTIVATIONS, "Activations of the trunk and of squeeze-excite.")
FLAGS.DEFINE_multi_enum("methods", METHODS, METHODS, "Quantization methods.")
FLAGS.DEFINE_integer("side", 32, "Side of the images in pixels.", 16)
FLAGS.DEFINE_float("width", 0.25, "Channel multiplier.", 0.01)
FLAGS.DEFINE_integer("images", 64, "Number of faces to run each network on.", 1)


def converted(variant: str, activation: str, method: str, faces: np.ndarray) -> Model:
    """Returns the int8 flatbuffer of a network with random weights."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.compression import quantize_aware
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.tflite.conversion.range_calibration import to_float

    keras.utils.set_random_seed(0)
    shape = (FLAGS.side, FLAGS.side, 3)
    network: Any = seesaw_keras.build(
        variant, input_shape=shape, width=FLAGS.width, activation=activation, se_activation=activation
    )
    set_batch_statistics(network, to_float(faces[:16]))
    if method == "quantization-aware":
        return convert(quantize_aware(network, to_float(faces[:16])))
    return convert(network, images=faces[:16])


def milliseconds(interpreter: Interpreter, inputs: np.ndarray) -> float:
    """Returns the milliseconds per image, minimum of three runs."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        interpreter.run(inputs)
        taken.append(time.perf_counter() - start)
    return 1000 * min(taken) / len(inputs)


def main() -> None:
    """Prints the table."""
    quiet_tensorflow()
    faces = representative_images(None, max(FLAGS.images, 16), side=FLAGS.side)
    inputs = (faces[: FLAGS.images].astype(np.int16) - 128).astype(np.int8)
    print("| variant | activation | method | tensors | entries compared | differ | ms, single | ms, batch of 8 |")
    print("| --- | --- | --- |" + " ---: |" * 5)
    models = [(v, a, method) for v in FLAGS.variants for a in FLAGS.activations for method in FLAGS.methods]
    wrong = 0
    for model in tqdm(models, "networks", disable=None):
        network = converted(*model, faces)
        result = check(network, {"faces": inputs})
        interpreter = Interpreter(network)
        alone, eight = (milliseconds(interpreter, inputs[:count, None]) for count in (1, 8))
        compared, differing = (sum(getattr(e, name) for e in result.equalities) for name in ("entries", "differing"))
        wrong += differing + (len(result.equalities) < 3)
        print(
            f"| {' | '.join(model)} | {result.equalities[0].tensors} | {compared:,} | {differing} | {alone:.0f} "
            f"| {eight:.0f} |",
            flush=True,
        )
        for line in [*result.problems, *result.refused]:
            print(f"{' '.join(model)}: {line}", file=sys.stderr)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    Command(main, FLAGS)()
