"""`tf.distribute` strategies: creation, batch distribution and synchronized batch normalization.

>>> from seesaw_keras.training.strategies import make_strategy
>>> make_strategy("mirrored").num_replicas_in_sync  # as many as there are GPUs  # doctest: +SKIP
1
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.data.training_input import TrainingInput

__all__ = ["check_workers_agree", "is_chief", "make_strategy", "name_lost_workers", "share_batches", "synchronize"]

_HEALTH_SECONDS = 3
_TF_CONFIG = (
    '{"cluster": {"worker": ["host0:4000", "host1:4000"]}, "task": {"type": "worker", "index": 0}}, where '
    "index is that of this process"
)


def make_strategy(name: str) -> Any:
    """Creates a strategy. "multi_worker" must be created before any other TensorFlow operation.

    Args:
        name: "none"; "mirrored" for all GPUs of this machine, or all logical CPUs if there is no GPU; "multi_worker"
            for the processes listed in the environment variable TF_CONFIG, which wait for each other in this call.

    Returns:
        A `tf.distribute.Strategy`; the default strategy for "none".

    Raises:
        ValueError: if the name is unknown, or TF_CONFIG is missing or does not describe workers.
        RuntimeError: if "multi_worker" is requested after TensorFlow has been initialized.
    """
    import tensorflow as tf

    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        _check_tf_config()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        # Seconds between health checks of the other workers. The process cannot exit while it waits for the next
        # check, and TensorFlow's default of 30 s cannot be changed through a public API.
        strategy.extended._check_health_interval = _HEALTH_SECONDS
        return strategy
    raise ValueError(f"unknown strategy {name!r}: choose none, mirrored or multi_worker")


def _check_tf_config() -> None:
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        index = config["task"]["index"]
        good = config["task"]["type"] == "worker" and type(index) is int and index >= 0
        good = good and index < len(config["cluster"]["worker"])
    except (ValueError, TypeError, KeyError):
        good = False
    if not good:
        raise ValueError(f"multi_worker: the environment variable TF_CONFIG must be like {_TF_CONFIG}")


def is_chief(strategy: Any) -> bool:
    """Returns whether this process writes files: it is the only process, or worker 0."""
    resolver = strategy.cluster_resolver
    return not (resolver and resolver.task_type) or resolver.task_id == 0


def share_batches(
    strategy: Any, make_input: Callable[[int, int], TrainingInput], *, epoch: int, step: int
) -> Iterator[tuple[Any, ...]]:
    """Iterates over the global batches from a given step on, each split evenly over the replicas.

    Each replica has its own input pipeline. Splitting the batches of a single pipeline would put the shares out of
    step after a last batch that is too small for all replicas.

    Args:
        strategy: the strategy.
        make_input: callable from (number of shares, share index) to the input of one share of the same batches.
        epoch: first epoch, from 0.
        step: first step in that epoch, from 0.

    Returns:
        An infinite iterator over distributed batches for `strategy.run`.
    """
    import tensorflow as tf

    def pipeline(context: Any) -> Any:
        replicas = context.num_replicas_in_sync
        local = replicas // context.num_input_pipelines
        shares = range(context.input_pipeline_id * local, (context.input_pipeline_id + 1) * local)
        datasets = [make_input(replicas, share).dataset(epoch=epoch, step=step) for share in shares]
        if local == 1:
            return datasets[0]
        return tf.data.Dataset.choose_from_datasets(datasets, tf.data.Dataset.range(local).repeat())

    return iter(strategy.distribute_datasets_from_function(pipeline))


def synchronize(network: Any) -> Any:
    """Returns a copy of a network, weights included, with batch normalization synchronized over all replicas.

    The batch normalization layers compute in float32 under any policy, because their statistics are sums of squares.

    Args:
        network: a functional `keras.Model`.
    """

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config.update(synchronized=True, dtype="float32")
        return type(layer).from_config(config)

    return keras.models.clone_model(network, clone_function=copy)


def check_workers_agree(strategy: Any, text: str, message: str) -> None:
    """Checks that all workers hold the same text.

    Args:
        strategy: the strategy.
        text: the text to compare.
        message: error message if the texts differ.

    Raises:
        ValueError: in all workers, if the text of any worker differs.
    """
    import tensorflow as tf

    number = float(zlib.crc32(text.encode()))  # the sum of a few is exact in float64
    values = strategy.run(lambda: tf.constant([number, number * number % 65521], tf.float64))
    found = strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()
    replicas = strategy.num_replicas_in_sync
    if found[0] != number * replicas or found[1] != number * number % 65521 * replicas:
        raise ValueError(message)


@contextmanager
def name_lost_workers(strategy: Any, where: Callable[[], str]) -> Iterator[None]:
    """Converts the errors that TensorFlow raises when another worker is lost into a ConnectionError.

    Args:
        strategy: the strategy; has no effect with a single process.
        where: returns text for the message: the progress made and how to resume.

    Raises:
        ConnectionError: instead of TensorFlow's various error types.
    """
    import tensorflow as tf

    lost = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
    )
    try:
        yield
    except lost as error:
        if not (strategy.cluster_resolver and strategy.cluster_resolver.task_type):
            raise
        lines = str(error.message).splitlines()
        reason = next((line for line in lines if "abort" in line), lines[0])
        reason = re.sub(r"\{\{.*?\}\} ?", "", reason)  # names of graph nodes
        raise ConnectionError(f"lost another worker {where()} TensorFlow says: {reason}") from error
