"""Distillation losses between student and teacher embeddings, one value per image.

>>> import tensorflow as tf
>>> from seesaw_keras.training.distillation.losses import cosine_loss, relation_loss
>>> student, teacher = tf.random.normal((8, 64)), tf.random.normal((8, 128))
>>> relation_loss(student, teacher).shape
TensorShape([8])

Embeddings of any norm and precision are L2-normalized and compared in float32. An all-zero embedding stays zero.
"""

from typing import Any

import tensorflow as tf

__all__ = ["angle_relation_loss", "contrast_loss", "cosine_loss", "distance_relation_loss", "relation_loss"]

ANGLE_WEIGHT = 2.0  # weight of the angle-wise part relative to the distance-wise part (arXiv 1904.05068, section 4)
EQUAL = 1e-6  # unit vectors with a smaller squared distance count as equal (a few roundings of a float32 product)


def cosine_loss(student: Any, teacher: Any) -> Any:
    """Returns 1 - cosine of each image's student and teacher embeddings.

    Args:
        student: (n, d).
        teacher: (n, d).

    Returns:
        float32 (n,), 0 to 2, computed as half the squared distance of the unit vectors, which is numerically more
        precise near 0 than 1 - cosine.

    Raises:
        ValueError: if the embeddings differ in dimension.
    """
    if student.shape[-1] != teacher.shape[-1]:
        raise ValueError(f"embeddings must have the same length, got {student.shape[-1]} and {teacher.shape[-1]}")
    return tf.reduce_sum(tf.square(_unit(student) - _unit(teacher)), axis=-1) / 2


def contrast_loss(student: Any, teacher: Any, bank: Any, *, temperature: float) -> Any:
    """Contrastive distillation against a bank of the teacher's embeddings (SEED, arXiv 2101.04731, equations 3 to 5).

    The Kullback-Leibler divergence between two softmax distributions over the cosines to the teacher's embedding of the
    same image and to the bank: the teacher's and the student's. The student must match its target and reproduce the
    teacher's similarities to all other embeddings.

    Args:
        student: (n, d).
        teacher: (n, d) of the same images.
        bank: (m, d), the teacher's embeddings of other images.
        temperature: divisor of the cosines of both; SEED uses 0.2 for the student and 0.01 for the teacher.

    Returns:
        float32 (n,), 0 or more.
    """
    student, teacher, bank = _unit(student), _unit(teacher), _unit(bank)

    def logits(rows: Any) -> Any:
        own = tf.reduce_sum(rows * teacher, axis=-1, keepdims=True)
        return tf.concat([own, tf.matmul(rows, bank, transpose_b=True)], axis=-1) / temperature

    target = tf.stop_gradient(tf.nn.log_softmax(logits(teacher)))
    return tf.reduce_sum(tf.exp(target) * (target - tf.nn.log_softmax(logits(student))), axis=-1)


def distance_relation_loss(student: Any, teacher: Any) -> Any:
    """Distance-wise relational distillation (RKD-D, arXiv 1904.05068, section 3.2.1).

    The Huber loss between the student's and the teacher's Euclidean distances of each pair in the batch, each divided
    by the mean of the nonzero distances.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images.

    Returns:
        float32 (n,): the mean over the n pairs of an image, including the pair with itself. The mean over all images
        equals the result of the authors' code.
    """
    return _distance_part(*_squared_distances(student), *_squared_distances(teacher))


def angle_relation_loss(student: Any, teacher: Any) -> Any:
    """Angle-wise relational distillation (RKD-A, arXiv 1904.05068, section 3.2.2).

    The Huber loss between the student's and the teacher's cosines of the angle formed by each triplet in the batch.
    Memory: about ten tensors of n ** 3 numbers, 28 MB each for n = 192.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images.

    Returns:
        float32 (n,): the mean over the n ** 2 angles with the image as vertex. If two of the three embeddings are
        equal, the angle counts as 90 degrees. The mean over all images equals the result of the authors' code.
    """
    return _angle_part(*_squared_distances(student), *_squared_distances(teacher))


def relation_loss(student: Any, teacher: Any) -> Any:
    """Distance- and angle-wise relational distillation (RKD-DA): the sum of both, with weight 2 for the angles.

    The loss depends on which images share a batch: with several replicas or gradient accumulation, images are compared
    only within each part.

    Args:
        student: (n, d).
        teacher: (n, e) of the same images; e may differ from d.

    Returns:
        float32 (n,).
    """
    geometry = *_squared_distances(student), *_squared_distances(teacher)
    return _distance_part(*geometry) + ANGLE_WEIGHT * _angle_part(*geometry)


def _unit(embeddings: Any) -> Any:
    return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=-1)


def _squared_distances(embeddings: Any) -> tuple[Any, Any]:
    """Returns (n, n) squared distances, set to 1 for equal embeddings, and a mask: 0.0 if equal, 1.0 otherwise.

    Computed from inner products, so no (n, n, d) tensor is created. Equal pairs are masked because the distance has no
    gradient at 0; NaN compares unequal and propagates to the loss.
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
    """Returns (n, n) distances divided by their mean."""
    distances = tf.sqrt(squared) * apart
    return tf.math.divide_no_nan(distances, tf.math.divide_no_nan(tf.reduce_sum(distances), tf.reduce_sum(apart)))


def _angle_part(student: Any, student_apart: Any, teacher: Any, teacher_apart: Any) -> Any:
    return _row_mean(_huber(_cosines(student, student_apart) - _cosines(teacher, teacher_apart)))


def _cosines(squared: Any, apart: Any) -> Any:
    """Returns (n, n, n) cosines of the angles at i between j and k, by the law of cosines."""
    sides, inverse = squared * apart, tf.math.rsqrt(squared) * apart
    opposite = sides[:, :, None] + sides[:, None, :] - sides[None, :, :]
    return opposite * (inverse / 2)[:, :, None] * inverse[:, None, :]


def _huber(difference: Any) -> Any:
    """Returns the Huber loss with delta = 1: x ** 2 / 2 for |x| <= 1, |x| - 1/2 otherwise."""
    # The maximum of c x - c c / 2 over c in [-1, 1]. At the maximum the derivative with respect to c vanishes, so the
    # gradient is c: one product instead of the derivatives of four operators on n ** 3 numbers.
    slope = tf.stop_gradient(tf.clip_by_value(difference, -1.0, 1.0))
    return slope * (difference - slope / 2)


def _row_mean(values: Any) -> Any:
    return tf.reduce_mean(values, axis=list(range(1, len(values.shape))))
