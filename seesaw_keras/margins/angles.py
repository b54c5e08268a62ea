"""Numerically safe angle functions: finite values and gradients for cosines from -1 to 1.

>>> from seesaw_keras.margins.angles import angle, normalize
>>> unit, norms = normalize(tf.constant([[3.0, 4.0]]), axis=-1)
>>> angle(unit[:, 0])  # arccos(0.6)  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

__all__ = ["additive_angular", "angle", "l2_norms", "normalize", "sine"]

# Lower bound for squares. The smallest positive 1 - cos^2 in float32 is 1e-7, so this affects only the poles, where
# the gradient of arccos is infinite and tf.maximum passes no gradient.
_TINY = 1e-12


def l2_norms(vectors: Any, axis: int) -> tuple[Any, Any]:
    """Returns the L2 norms of vectors and their reciprocals, with finite gradients even for zero vectors.

    Args:
        vectors: float32 tensor of any shape.
        axis: the axis of the vectors.

    Returns:
        The norms, at least 1e-6, and their reciprocals, 0 for shorter vectors; `axis` is kept with size 1.
    """
    squares = tf.reduce_sum(tf.square(vectors), axis, keepdims=True)
    norms = tf.sqrt(tf.maximum(squares, _TINY))
    # A zero vector has no direction: its gradient is zero, where that of x / |x| would be about 1e6.
    return norms, tf.where(squares > _TINY, 1.0 / norms, 0.0)


def normalize(vectors: Any, axis: int) -> tuple[Any, Any]:
    """L2-normalizes vectors; see `l2_norms`.

    Args:
        vectors: float32 tensor of any shape.
        axis: the axis of the vectors.

    Returns:
        The unit vectors, of the same shape (0 if the norm is below 1e-6), and the norms (at least 1e-6), with `axis`
        kept with size 1.
    """
    norms, inverse = l2_norms(vectors, axis)
    return vectors * inverse, norms


def sine(cosine: Any) -> Any:
    """Returns sin(arccos(cosine)) for cosines in [-1, 1], of the same shape."""
    return tf.sqrt(tf.maximum((1.0 - cosine) * (1.0 + cosine), _TINY))


def angle(cosine: Any) -> Any:
    """Returns arccos(cosine) in radians for cosines in [-1, 1], of the same shape."""
    return tf.atan2(sine(cosine), cosine)


def additive_angular(cosine: Any, m: Any, easy_margin: bool) -> Any:
    """Returns cos(theta + m) where it decreases with theta, and InsightFace's replacement elsewhere.

    Beyond theta = pi - m the cosine would increase again. ArcFace's code (github.com/deepinsight/insightface,
    `margin_softmax`) uses cos(theta) - m sin(m) there; with `easy_margin` it uses cos(theta) wherever that is not
    positive.

    Args:
        cosine: cos(theta), in [-1, 1].
        m: the margin in radians, in [0, pi]: a scalar, or one value per cosine.
        easy_margin: whether to apply the margin only to examples within 90 degrees of their class.
    """
    with_margin = cosine * tf.cos(m) - sine(cosine) * tf.sin(m)
    if easy_margin:
        return tf.where(cosine > 0.0, with_margin, cosine)
    return tf.where(cosine > tf.cos(math.pi - m), with_margin, cosine - m * tf.sin(m))
