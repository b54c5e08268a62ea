"""Triplet losses with in-batch mining.

>>> from seesaw_keras.margins import triplet_loss
>>> loss = triplet_loss(embeddings, labels, margin=0.2, mining="semi_hard")  # one value per example  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.margins.angles import normalize

__all__ = ["triplet_loss"]

_FAR = math.inf  # distance assigned to non-negatives


def triplet_loss(embeddings: Any, labels: Any, margin: float = 0.2, mining: str = "semi_hard") -> Any:
    """Computes the triplet loss of each example as anchor, with positives and negatives from the same batch.

    "semi_hard" (FaceNet, arXiv 1503.03832, equations 1 and 4): the mean over the anchor's positives of
    max(0, d(a, p) - d(a, n) + margin), where d is the squared distance and n the nearest negative farther away than p,
    or the farthest negative if there is none.

    "hard" (batch hard of arXiv 1703.07737, equation 5): max(0, max d(a, p) - min d(a, n) + margin), where d is the
    distance.

    Args:
        embeddings: (n, embedding_size) of any float dtype and norm; they are L2-normalized in float32.
        labels: (n,) integers.
        margin: margin between squared distances ("semi_hard") or distances ("hard") of unit vectors, positive.
        mining: "semi_hard" or "hard".

    Returns:
        (n,) float32; 0 for an example without a positive or without a negative in the batch.

    Raises:
        ValueError: if `mining` is unknown or the margin is not positive.
    """
    if mining not in ("semi_hard", "hard"):
        raise ValueError(f"unknown mining {mining!r}: choose semi_hard or hard")
    if not margin > 0:
        raise ValueError(f"triplet_loss: margin must be above 0, got {margin}")
    unit, _ = normalize(tf.cast(embeddings, tf.float32), axis=-1)
    squared = tf.maximum(2.0 - 2.0 * tf.matmul(unit, unit, transpose_b=True), 0.0)
    labels = tf.reshape(labels, (-1,))
    same = labels[:, None] == labels[None, :]
    positive = same & ~tf.eye(tf.size(labels), dtype=tf.bool)
    loss = (_semi_hard if mining == "semi_hard" else _hard)(squared, positive, ~same, margin)
    has_both = tf.reduce_any(positive, axis=1) & tf.reduce_any(~same, axis=1)
    return tf.where(has_both, loss, 0.0)


def _semi_hard(squared: Any, positive: Any, negative: Any, margin: float) -> Any:
    """Returns the loss (n,); undefined for anchors without a positive or a negative."""
    # Searches each row's sorted negatives instead of comparing all triplets: n^2 instead of n^3 memory.
    distances = tf.stop_gradient(tf.where(negative, squared, _FAR))
    order = tf.argsort(distances, axis=1)
    ascending = tf.gather(distances, order, batch_dims=1)
    index = tf.searchsorted(ascending, tf.stop_gradient(squared), side="right")
    count = tf.reduce_sum(tf.cast(negative, tf.int32), axis=1, keepdims=True)
    index = tf.maximum(tf.minimum(index, count - 1), 0)
    chosen = tf.gather(squared, tf.gather(order, index, batch_dims=1), batch_dims=1)
    loss = tf.where(positive, tf.nn.relu(squared - chosen + margin), 0.0)
    return tf.math.divide_no_nan(tf.reduce_sum(loss, axis=1), tf.reduce_sum(tf.cast(positive, tf.float32), axis=1))


def _hard(squared: Any, positive: Any, negative: Any, margin: float) -> Any:
    """Returns the loss (n,); undefined for anchors without a positive or a negative."""
    distance = tf.sqrt(tf.maximum(squared, 1e-12))
    farthest = tf.reduce_max(tf.where(positive, distance, 0.0), axis=1)
    nearest = tf.reduce_min(tf.where(negative, distance, _FAR), axis=1)
    return tf.nn.relu(farthest - nearest + margin)
