"""Partial FC (arXiv 2203.15565): softmax over the classes in the batch and a random sample of the others.

>>> from seesaw_keras.margins.partial_fc import sample_classes
>>> classes, labels = sample_classes(tf.constant([7, 2, 7]), 10, 0.5, seed=(0, 3))
>>> tf.gather(classes, labels)  # the labels again: [7, 2, 7]  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

__all__ = ["sample_classes"]


def sample_classes(labels: Any, num_classes: int, rate: float, seed: Any) -> tuple[Any, Any]:
    """Samples the classes of one step (Partial FC, arXiv 2203.15565, section 3): the batch's classes and random others.

    Under a strategy, the labels of all replicas are combined, so that all replicas use the same classes and the loss
    equals that of a single replica with the whole batch.

    Args:
        labels: (n,) int32 in [0, num_classes).
        num_classes: total number of classes.
        rate: fraction of the classes to sample, in (0, 1]. A batch with more classes than that keeps all of its own.
        seed: two integers; the same seed gives the same sample, with or without XLA.

    Returns:
        The sampled classes, (k,) int32 ascending, and the index of each label among them, (n,) int32.
    """
    all_labels = labels
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        all_labels = context.all_gather(labels, axis=0)
    count = tf.minimum(tf.maximum(math.ceil(rate * num_classes), tf.size(all_labels)), num_classes)
    # Integers, because XLA and the regular kernels produce different floats from the same bits.
    bits = tf.random.stateless_uniform((num_classes,), seed, None, None, tf.int32, alg="philox")
    first = tf.fill(tf.shape(all_labels), tf.int32.max)
    priority = tf.tensor_scatter_nd_update(tf.bitwise.right_shift(bits, 1), all_labels[:, None], first)
    classes = tf.sort(tf.math.top_k(priority, count).indices)
    indices = tf.scatter_nd(classes[:, None], tf.range(count), (num_classes,))
    return classes, tf.gather(indices, labels)
