"""Throughput of the input pipeline and of training in images per second, separately and combined.

    python benchmarks/input_pipeline.py --data shards
    taskset -c 0,1 python benchmarks/input_pipeline.py --variant phone --batch_size 64 --views 4 --degrade 0.5

Without --data, 4,000 generated images (112x112, JPEG quality 90) are written to a temporary folder. The training step
is plain Keras: the network with a softmax over 1,000 classes and SGD. The three measurements are interleaved, so that
other load on the machine affects all of them, and the median over the rounds is printed.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import seesaw_keras
from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data.formats.tfrecord import shard_name, write_shard
from seesaw_keras.data.records import Record
from seesaw_keras.data.training_input import TrainingInput
from seesaw_keras.data.views import Views

FLAGS = Flags()
FLAGS.DEFINE_string("data", None, "Folder of TFRecord shards, or one shard. Default: generated images.")
FLAGS.DEFINE_string("variant", "shuffle", "Network to train.")
FLAGS.DEFINE_integer("batch_size", 32, "Batch size.", lower_bound=1)
FLAGS.DEFINE_integer("views", 0, "Jittered views per image, like teacher_views in a recipe.", lower_bound=0)
FLAGS.DEFINE_float("degrade", 0.0, "Probability that an image is degraded.", 0.0, 1.0)
FLAGS.DEFINE_integer("rounds", 3, "Number of rounds.", lower_bound=1)
FLAGS.DEFINE_float("seconds", 20.0, "Duration of each measurement in seconds.", lower_bound=0.1)

CLASSES = 1000
GENERATED, SHARDS = 4000, 4


def generated_record(number: int) -> Record:
    """Returns a record of smooth noise, which has about the same file size as a face."""
    coarse = np.random.default_rng(number).integers(0, 256, (14, 14, 3), np.uint8)
    image = cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return Record(data, number % CLASSES, f"generated {number}")


def rate(batches: Iterator[Any], use: Callable[..., Any] | None = None) -> tuple[float, float]:
    """Consumes batches for --seconds; returns images per second and milliseconds of CPU time per image."""
    for batch in itertools.islice(batches, 3):
        if use:
            use(*batch)
    start, processor = time.perf_counter(), time.process_time()
    count, taken = 0, 0.0
    while taken < FLAGS.seconds:
        batch = next(batches)
        if use:
            use(*batch)
        count += FLAGS.batch_size
        taken = time.perf_counter() - start
    return count / taken, (time.process_time() - processor) * 1000 / count


def measure(path: str | Path) -> dict[str, tuple[float, float]]:
    """Returns the median images per second and CPU milliseconds per image of the input, the step, and both combined."""
    from seesaw_keras.api import keras

    faces = TrainingInput(path, batch_size=FLAGS.batch_size, views=Views(FLAGS.views), degrade=FLAGS.degrade)
    print(f"{path}: {faces.num_images} images, {faces.num_classes} identities")
    network = seesaw_keras.build(FLAGS.variant)
    model = keras.Model(network.input, keras.layers.Dense(CLASSES)(network.output))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def step(images: Any, labels: Any) -> None:
        model.train_on_batch(images, labels % CLASSES)

    one = next(iter(faces.dataset()))
    rounds: dict[str, list[tuple[float, float]]] = {"input": [], "step": [], "fed": []}
    for _ in range(FLAGS.rounds):
        # A live iterator keeps prefetching, so each measurement creates its own.
        rounds["input"].append(rate(iter(faces.dataset())))
        rounds["step"].append(rate(itertools.repeat(one), step))
        rounds["fed"].append(rate(iter(faces.dataset()), step))
    return {
        name: (statistics.median(speed for speed, _ in values), statistics.median(cost for _, cost in values))
        for name, values in rounds.items()
    }


def main() -> None:
    """Runs the measurements and prints the results."""
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        if not FLAGS.data:
            for shard in range(SHARDS):
                write_shard(
                    Path(folder) / shard_name(shard, SHARDS), map(generated_record, range(shard, GENERATED, SHARDS))
                )
        results = measure(FLAGS.data or folder)
    print(f"{len(os.sched_getaffinity(0))} cores, batch {FLAGS.batch_size}, median of {FLAGS.rounds} rounds:")
    names = {
        "input": "input only",
        "step": f"{FLAGS.variant}, one batch in memory",
        "fed": f"{FLAGS.variant}, fed by the pipeline",
    }
    for name, (speed, cost) in results.items():
        print(f"  {names[name]:36}{speed:9.1f} images/s {cost:9.2f} ms of CPU time per image")
    print(f"input / step: {results['input'][0] / results['step'][0]:.0f}; should be at least 2")


if __name__ == "__main__":
    Command(main, FLAGS)()
