"""Partial FC (arXiv 2203.15565): a softmax over the classes in the batch and a random part of all others.

>>> from seesaw_keras.margins.partial_fc import sample_classes
>>> classes, labels = sample_classes(tf.constant([7, 2, 7]), 10, 0.5, seed=(0, 3))
>>> tf.gather(classes, labels)  # the labels again: [7, 2, 7]  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

__all__ = ["sample_classes"]


def sample_classes(labels: Any, num_classes: int, rate: float, seed: Any) -> tuple[Any, Any]:
    """Chooses the classes of one step (Partial FC, arXiv 2203.15565, section 3): the batch's own, and random others.

    Under a strategy the batch is that of all replicas together, so that all take the same classes and the loss is that
    of one replica with the whole batch.

    Args:
        labels: (n,) int32 in [0, num_classes).
        num_classes: how many classes there are.
        rate: share of them to take, in (0, 1]. A batch with more classes than that takes all of its own.
        seed: two integers; the same ones give the same choice, compiled by XLA or not.

    Returns:
        The chosen classes, (k,) int32 ascending, and the place of each label among them, (n,) int32.
    """
    everywhere = labels
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        everywhere = context.all_gather(labels, axis=0)
    count = tf.minimum(tf.maximum(math.ceil(rate * num_classes), tf.size(everywhere)), num_classes)
    # Integers: XLA makes other floats than the kernels do, from the same bits.
    bits = tf.random.stateless_uniform((num_classes,), seed, None, None, tf.int32, alg="philox")
    first = tf.fill(tf.shape(everywhere), tf.int32.max)
    priority = tf.tensor_scatter_nd_update(tf.bitwise.right_shift(bits, 1), everywhere[:, None], first)
    classes = tf.sort(tf.math.top_k(priority, count).indices)
    places = tf.scatter_nd(classes[:, None], tf.range(count), (num_classes,))
    return classes, tf.gather(places, labels)
