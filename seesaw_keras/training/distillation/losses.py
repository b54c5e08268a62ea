"""What a student's embeddings lack of a teacher's, one number an image.

>>> import tensorflow as tf
>>> from seesaw_keras.training.distillation.losses import cosine_loss, relation_loss
>>> student, teacher = tf.random.normal((8, 64)), tf.random.normal((8, 128))
>>> relation_loss(student, teacher).shape
TensorShape([8])

Embeddings of any length and precision go in, are brought to unit length, and are compared in float32. An embedding of
zeros has no direction: it stays as it is.
"""

from typing import Any

import tensorflow as tf

__all__ = ["angle_relation_loss", "contrast_loss", "cosine_loss", "distance_relation_loss", "relation_loss"]

ANGLE_WEIGHT = 2.0  # of the angle-wise part, relative to the distance-wise one (arXiv 1904.05068, section 4)
EQUAL = 1e-6  # squared distance of unit vectors, a few roundings of a float32 product, below which they are equal


def cosine_loss(student: Any, teacher: Any) -> Any:
    """1 - cosine of each image's two embeddings.

    Args:
        student: (n, d).
        teacher: (n, d).

    Returns:
        float32 (n,), 0 to 2. It is half the squared distance of the unit vectors, which, unlike 1 - cosine, keeps its
        precision near 0.

    Raises:
        ValueError: if the embeddings differ in length.
    """
    if student.shape[-1] != teacher.shape[-1]:
        raise ValueError(f"embeddings of length {student.shape[-1]} and {teacher.shape[-1]} have no cosine")
    return tf.reduce_sum(tf.square(_unit(student) - _unit(teacher)), axis=-1) / 2


def contrast_loss(student: Any, teacher: Any, bank: Any, *, temperature: float) -> Any:
    """Contrastive distillation against a bank of the teacher's embeddings (SEED, arXiv 2101.04731, equations 3 to 5).

    The student's softmax over its cosines to the teacher's own embedding of the image and to the bank is compared with
    the teacher's by their Kullback-Leibler divergence: the student must be near its target and, of all others, as near
    to each as the teacher is.

    Args:
        student: (n, d).
        teacher: (n, d) of the same images.
        bank: (m, d), the teacher's embeddings of other images.
        temperature: by which cosines are divided, of both; SEED has 0.2 for the student and 0.01 for the teacher.

    Returns:
        float32 (n,), 0 or more.
    """
    seen, aim, others = _unit(student), _unit(teacher), _unit(bank)

    def logits(rows: Any) -> Any:
        own = tf.reduce_sum(rows * aim, axis=-1, keepdims=True)
        return tf.concat([own, tf.matmul(rows, others, transpose_b=True)], axis=-1) / temperature

    wanted = tf.stop_gradient(tf.nn.log_softmax(logits(aim)))
    return tf.reduce_sum(tf.exp(wanted) * (wanted - tf.nn.log_softmax(logits(seen))), axis=-1)


def distance_relation_loss(student: Any, teacher: Any) -> Any:
    """Distance-wise relational distillation (RKD-D, arXiv 1904.05068, section 3.2.1).

    The Euclidean distance of each pair of a batch, divided by the mean of those above 0, is compared with the teacher's
    by the Huber loss.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images.

    Returns:
        float32 (n,): the mean over the n pairs that an image makes, the one with itself included. The mean over all
        images is what the authors' code returns.
    """
    return _distance_part(*_squared_distances(student), *_squared_distances(teacher))


def angle_relation_loss(student: Any, teacher: Any) -> Any:
    """Angle-wise relational distillation (RKD-A, arXiv 1904.05068, section 3.2.2).

    The cosine of the angle that each triplet of a batch makes is compared with the teacher's by the Huber loss. Memory
    is some ten tensors of n ** 3 numbers, 28 MB each for n = 192.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images.

    Returns:
        float32 (n,): the mean over the n ** 2 angles whose vertex is an image. Where two of three embeddings are equal
        the angle counts as 90 degrees. The mean over all images is what the authors' code returns.
    """
    return _angle_part(*_squared_distances(student), *_squared_distances(teacher))


def relation_loss(student: Any, teacher: Any) -> Any:
    """Relational distillation by distances and angles (RKD-DA): the sum of both, the angles twice.

    It depends on which images are in a batch together: a batch that several replicas share, or that is accumulated from
    several parts, is compared within each part.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images; its length does not matter.

    Returns:
        float32 (n,).
    """
    geometry = *_squared_distances(student), *_squared_distances(teacher)
    return _distance_part(*geometry) + ANGLE_WEIGHT * _angle_part(*geometry)


def _unit(embeddings: Any) -> Any:
    return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=-1)


def _squared_distances(embeddings: Any) -> tuple[Any, Any]:
    """Returns (n, n) squared distances, 1 where two embeddings are equal, and 0.0 there, 1.0 elsewhere.

    Through products, so that (n, n, d) is never made. A distance of 0 has no gradient, so none is taken there; NaN is
    not equal to anything and goes on to the loss.
    """
    unit = _unit(embeddings)
    products = tf.matmul(unit, unit, transpose_b=True)
    norms = tf.linalg.diag_part(products)
    squared = norms[:, None] + norms[None, :] - 2 * products
    equal = squared <= EQUAL
    return tf.where(equal, 1.0, squared), tf.where(equal, 0.0, tf.ones_like(squared))


def _distance_part(student: Any, student_apart: Any, teacher: Any, teacher_apart: Any) -> Any:
    return _row_mean(_huber(_distances(student, student_apart) - _distances(teacher, teacher_apart)))


def _distances(squared: Any, apart: Any) -> Any:
    """(n, n) distances over their mean."""
    distances = tf.sqrt(squared) * apart
    return tf.math.divide_no_nan(distances, tf.math.divide_no_nan(tf.reduce_sum(distances), tf.reduce_sum(apart)))


def _angle_part(student: Any, student_apart: Any, teacher: Any, teacher_apart: Any) -> Any:
    return _row_mean(_huber(_cosines(student, student_apart) - _cosines(teacher, teacher_apart)))


def _cosines(squared: Any, apart: Any) -> Any:
    """(n, n, n) cosines of the angles at i between j and k, by the law of cosines."""
    sides, inverse = squared * apart, tf.math.rsqrt(squared) * apart
    opposite = sides[:, :, None] + sides[:, None, :] - sides[None, :, :]
    return opposite * (inverse / 2)[:, :, None] * inverse[:, None, :]


def _huber(difference: Any) -> Any:
    """Half the square up to 1, then the magnitude less 1/2."""
    # The greatest c x - c c / 2 for c in [-1, 1]. At its maximum c has no part in the gradient, which is c: one
    # product instead of the derivatives of four operators on n ** 3 numbers.
    slope = tf.stop_gradient(tf.clip_by_value(difference, -1.0, 1.0))
    return slope * (difference - slope / 2)


def _row_mean(values: Any) -> Any:
    return tf.reduce_mean(values, axis=list(range(1, len(values.shape))))
