"""`tf.distribute` strategies: how they are made, how they share the batches, and what they need of the network.

>>> from seesaw_keras.training.strategies import make_strategy
>>> make_strategy("mirrored").num_replicas_in_sync  # as many as there are GPUs
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
from seesaw_keras.data.pipeline import TrainingInput

__all__ = ["agree", "is_chief", "make_strategy", "name_lost_workers", "share_batches", "synchronize"]

_HEALTH_SECONDS = 3
_TF_CONFIG = (
    '{"cluster": {"worker": ["host0:4000", "host1:4000"]}, "task": {"type": "worker", "index": 0}}, the index being '
    "that of this process"
)


def make_strategy(name: str) -> Any:
    """Makes a strategy; "multi_worker" wants to be made before TensorFlow does anything else.

    Args:
        name: "none"; "mirrored" for all GPUs of this machine, all logical CPUs if it has none; or "multi_worker" for
            the processes that the environment variable TF_CONFIG lists, which wait here for each other.

    Returns:
        A `tf.distribute.Strategy`; for "none" the default one.

    Raises:
        ValueError: on another name, or a TF_CONFIG that is missing or does not describe workers.
        RuntimeError: if TensorFlow has done something before and "multi_worker" is asked for.
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
        # Seconds between the looks at the other workers. The process cannot end while it waits for the next one, and
        # TensorFlow has 30 and no public way to say less.
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
    """Whether this process is the one that writes files: the only one, or worker 0."""
    resolver = strategy.cluster_resolver
    return not (resolver and resolver.task_type) or resolver.task_id == 0


def share_batches(
    strategy: Any, make_input: Callable[[int, int], TrainingInput], *, epoch: int, step: int
) -> Iterator[tuple[Any, ...]]:
    """Hands out the global batches from a given step on, each cut into one even share a replica.

    Each replica has an input of its own. To split the batches of one input would tear the shares apart after a last
    batch that is too small for all replicas.

    Args:
        strategy: the strategy.
        make_input: (number of shares, share) to the input of one share of the same batches.
        epoch: where to start, from 0.
        step: where to start in that epoch, from 0.

    Returns:
        What `strategy.run` takes: the batches without end.
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
    """Returns a copy of a network, weights included, whose batch normalization counts the images of all replicas.

    Its statistics are sums of squares, so it computes in float32 whatever the policy.

    Args:
        network: a functional `keras.Model`.
    """

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config.update(synchronized=True, dtype="float32")
        return type(layer).from_config(config)

    return keras.models.clone_model(network, clone_function=copy)


def agree(strategy: Any, text: str, message: str) -> None:
    """Makes sure that all workers hold the same text.

    Args:
        strategy: the strategy.
        text: what must be the same.
        message: of the error otherwise.

    Raises:
        ValueError: in all workers if the text of one differs.
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
    """Turns what TensorFlow raises when another worker has gone into one clear error.

    Args:
        strategy: the strategy; nothing changes with one process.
        where: says what was reached, and what to do.

    Raises:
        ConnectionError: in place of the dozen kinds that TensorFlow has.
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
