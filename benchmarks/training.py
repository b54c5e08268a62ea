"""Training throughput in images per second: the trainer's step compared with plain Keras, as a Markdown table.

    python benchmarks/training.py
    taskset -c 0,1 python benchmarks/training.py --variants shuffle --batch_size 32 --rounds 9
    python benchmarks/training.py --profile shuffle

Every row trains the same network with a softmax over 1,000 classes and SGD with momentum, on one batch in memory:
`Keras` is `Model.train_on_batch`; `trainer` is `TrainingStep` with `FastForward`, which also normalizes embeddings and
class centers before the softmax, applies weight decay and computes statistics. Both are measured in float32, in
bfloat16, and in float32 with the whole step compiled by XLA. Rounds are interleaved, so that other load on the machine
affects all rows, and medians are printed. CPU time is the sum over all cores and less affected by other load.

--profile instead prints the time of one variant by kind of operator, summed over threads.
"""

import collections
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import seesaw_keras
from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow

FLAGS = Flags()
FLAGS.DEFINE_list("variants", ["shuffle", "mobilefacenet"], "Networks to train.")
FLAGS.DEFINE_integer("batch_size", 64, "Batch size.", lower_bound=1)
FLAGS.DEFINE_integer("rounds", 5, "Number of rounds.", lower_bound=1)
FLAGS.DEFINE_integer("steps", 2, "Steps per configuration in each round.", lower_bound=1)
FLAGS.DEFINE_string("profile", None, "Variant to profile instead of measuring the throughput.")

CLASSES = 1000
LEARNING_RATE, MOMENTUM = 0.01, 0.9
Batch = tuple[Any, Any]
Step = Callable[[], Any]


class Configuration(NamedTuple):
    """A training configuration to measure."""

    trainer: bool
    precision: str = "float32"
    xla: bool = False


CONFIGURATIONS = {
    "Keras": Configuration(trainer=False),
    "Keras, bfloat16": Configuration(trainer=False, precision="mixed_bfloat16"),
    "Keras, XLA": Configuration(trainer=False, xla=True),
    "trainer": Configuration(trainer=True),
    "trainer, bfloat16": Configuration(trainer=True, precision="mixed_bfloat16"),
    "trainer, XLA": Configuration(trainer=True, xla=True),
}


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Sets the mixed-precision policy for layers created in the block."""
    from seesaw_keras.api import keras

    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def keras_step(network: Any, xla: bool, batch: Batch) -> Step:
    """Returns a training step in plain Keras."""
    from seesaw_keras.api import keras

    model = keras.Model(network.input, keras.layers.Dense(CLASSES, dtype="float32")(network.output))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LEARNING_RATE, MOMENTUM), loss, jit_compile=xla)
    return lambda: model.train_on_batch(*batch)


def trainer_step(network: Any, xla: bool, batch: Batch) -> Step:
    """Returns the trainer's step."""
    import tensorflow as tf

    from seesaw_keras.margins import make_margin
    from seesaw_keras.training.fast.fast_graph import FastForward
    from seesaw_keras.training.objective import Objective
    from seesaw_keras.training.optimizers.optimizer import Optimizer, reference_weight_decay
    from seesaw_keras.training.optimizers.schedules import make_schedule
    from seesaw_keras.training.step import TrainingStep
    from seesaw_keras.training.strategies import make_strategy

    objective = Objective(make_margin("normface", CLASSES))
    objective.build(network.output_shape)
    schedule = make_schedule("constant", peak=LEARNING_RATE, total_steps=1)
    optimizer = Optimizer("sgd", schedule, momentum=MOMENTUM, decays=reference_weight_decay(4e-5, 4e-4))
    optimizer.build([*network.trainable_variables, *objective.trainable_variables])
    step = TrainingStep(make_strategy("none"), FastForward(network), objective, optimizer, xla=xla)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: step.read(step(batches, FLAGS.batch_size, [0.0]))


def make_step(variant: str, configuration: Configuration, batch: Batch) -> Step:
    """Returns a function that trains a variant for one step."""
    with policy(configuration.precision):
        network = seesaw_keras.build(variant, normalize=False)
    return (trainer_step if configuration.trainer else keras_step)(network, configuration.xla, batch)


def one_batch() -> Batch:
    """Returns random images and labels."""
    import tensorflow as tf

    r = np.random.default_rng(0)
    images = r.uniform(-1, 1, (FLAGS.batch_size, 112, 112, 3)).astype(np.float32)
    return tf.constant(images), tf.constant(r.integers(0, CLASSES, FLAGS.batch_size))


def measure(variant: str) -> dict[str, tuple[float, float, float]]:
    """Returns images per second, CPU milliseconds per image, and seconds of the first step, by configuration."""
    batch = one_batch()
    steps, first = {}, {}
    for name, configuration in CONFIGURATIONS.items():
        steps[name] = make_step(variant, configuration, batch)
        start = time.perf_counter()
        steps[name]()
        first[name] = time.perf_counter() - start
        steps[name]()
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in CONFIGURATIONS}
    for _ in range(FLAGS.rounds):
        for name, step in steps.items():
            start, processor = time.perf_counter(), time.process_time()
            for _ in range(FLAGS.steps):
                step()
            images = FLAGS.steps * FLAGS.batch_size
            rounds[name].append(
                (images / (time.perf_counter() - start), (time.process_time() - processor) * 1000 / images)
            )
    return {
        name: (
            statistics.median(rate for rate, _ in values),
            statistics.median(cost for _, cost in values),
            first[name],
        )
        for name, values in rounds.items()
    }


def profile(variant: str) -> None:
    """Prints the operators that take the most time in a step of plain Keras and of the trainer."""
    import tensorflow as tf

    batch = one_batch()
    for name in ("Keras", "trainer"):
        step = make_step(variant, CONFIGURATIONS[name], batch)
        for _ in range(3):
            step()
        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                step()
            times = operator_times(next(Path(folder).rglob("*.xplane.pb")))
        print(f"\n{variant}, {name}, batch {FLAGS.batch_size}: {sum(times.values()):.0f} ms summed over threads")
        for operator, milliseconds in times.most_common(15):
            print(f"  {milliseconds:8.1f} ms  {operator}")


def operator_times(path: Path) -> collections.Counter:
    """Returns milliseconds by kind of operator from a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: collections.Counter = collections.Counter()
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        for line in plane.lines:
            for event in line.events:
                # Operators are named `name:Kind`; other events are parts of operators or contain several of them.
                node, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if colon and kind.strip("_").isalnum() and not node.endswith(":"):
                    times[kind] += event.duration_ps / 1e9
    return times


def main() -> None:
    """Runs the benchmark and prints the table, or the profile."""
    quiet_tensorflow()
    if FLAGS.profile:
        profile(FLAGS.profile)
        return
    print(f"{len(os.sched_getaffinity(0))} cores, batch {FLAGS.batch_size}, median of {FLAGS.rounds} rounds:\n")
    print("| network | step | images/s | relative to Keras | CPU ms/image | first step s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for variant in FLAGS.variants:
        results = measure(variant)
        plain = results["Keras"][0]
        for name, (rate, processor, first) in results.items():
            print(
                f"| {variant} | {name} | {rate:.1f} | {rate / plain:.2f} | {processor:.1f} | {first:.0f} |", flush=True
            )


if __name__ == "__main__":
    Command(main, FLAGS)()
