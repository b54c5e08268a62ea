"""Functions of angles that stay finite, with their gradients, from cosine -1 to cosine 1.

>>> from seesaw_keras.margins.angles import angle, normalize
>>> unit, norms = normalize(tf.constant([[3.0, 4.0]]), axis=-1)
>>> angle(unit[:, 0])  # arccos(0.6)  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

__all__ = ["additive_angular", "angle", "lengths", "normalize", "sine"]

# Of squares. The smallest 1 - cos^2 above 0 in float32 is 1e-7: this leaves all but the poles as they are, and there
# tf.maximum passes no gradient on, where that of arccos is infinite.
_TINY = 1e-12


def lengths(vectors: Any, axis: int) -> tuple[Any, Any]:
    """Returns the vectors' lengths and one over them, both with finite gradients also where a vector is 0.

    Args:
        vectors: float32 of any shape.
        axis: the axis along which an entry's vector lies.

    Returns:
        The lengths, 1e-6 at least, and their inverses, 0 where a vector is shorter than that; that axis has size 1.
    """
    squares = tf.reduce_sum(tf.square(vectors), axis, keepdims=True)
    norms = tf.sqrt(tf.maximum(squares, _TINY))
    # Without a direction there is none to turn to either: no gradient, where that of x / |x| would be some 1e6.
    return norms, tf.where(squares > _TINY, 1.0 / norms, 0.0)


def normalize(vectors: Any, axis: int) -> tuple[Any, Any]:
    """Returns the vectors at unit length, and their lengths; see `lengths`.

    Args:
        vectors: float32 of any shape.
        axis: the axis along which an entry's vector lies.

    Returns:
        The unit vectors, of the same shape (0 where the vector is shorter than 1e-6), and the lengths (1e-6 at least),
        that axis kept with size 1.
    """
    norms, inverse = lengths(vectors, axis)
    return vectors * inverse, norms


def sine(cosine: Any) -> Any:
    """Returns sin(arccos(cosine)) for cosines in [-1, 1], of the same shape."""
    return tf.sqrt(tf.maximum((1.0 - cosine) * (1.0 + cosine), _TINY))


def angle(cosine: Any) -> Any:
    """Returns arccos(cosine) in radians for cosines in [-1, 1], of the same shape."""
    return tf.atan2(sine(cosine), cosine)


def additive_angular(cosine: Any, m: Any, easy_margin: bool) -> Any:
    """Returns cos(theta + m) where that falls with theta, and what InsightFace puts in its place elsewhere.

    Beyond theta = pi - m the cosine would rise again. ArcFace's code (github.com/deepinsight/insightface,
    `margin_softmax`) has cos(theta) - m sin(m) there; with `easy_margin` it has cos(theta) wherever that is not
    positive.

    Args:
        cosine: cos(theta), in [-1, 1].
        m: the margin in radians, in [0, pi]: a number, or one for each cosine.
        easy_margin: whether only examples within 90 degrees of their class get the margin.
    """
    with_margin = cosine * tf.cos(m) - sine(cosine) * tf.sin(m)
    if easy_margin:
        return tf.where(cosine > 0.0, with_margin, cosine)
    return tf.where(cosine > tf.cos(math.pi - m), with_margin, cosine - m * tf.sin(m))
