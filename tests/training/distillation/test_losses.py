"""The distillation losses against their definitions in float64, image by image and triplet by triplet."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.training.distillation.losses import (
    angle_relation_loss,
    cosine_loss,
    distance_relation_loss,
    relation_loss,
)


def embeddings(seed, count=7, size=5):
    return np.random.default_rng(seed).normal(size=(count, size)) * 3


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def huber(difference):
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def naive_cosine(student, teacher):
    return 1 - np.sum(unit(student) * unit(teacher), axis=1)


def naive_distance(student, teacher):
    def distances(rows):
        found = np.array([[np.linalg.norm(one - other) for other in unit(rows)] for one in unit(rows)])
        return found / found[found > 1e-3].mean() if (found > 1e-3).any() else 0 * found

    differences = distances(student) - distances(teacher)
    return np.array([np.mean([huber(value) for value in row]) for row in differences])


def naive_angle(student, teacher):
    def cosine(rows, i, j, k):
        left, right = rows[j] - rows[i], rows[k] - rows[i]
        lengths = np.linalg.norm(left) * np.linalg.norm(right)
        return left @ right / lengths if lengths > 1e-9 else 0.0

    student, teacher = unit(student), unit(teacher)
    everyone = range(len(student))
    return np.array(
        [
            np.mean([huber(cosine(student, i, j, k) - cosine(teacher, i, j, k)) for j in everyone for k in everyone])
            for i in everyone
        ]
    )


def naive_relation(student, teacher):
    return naive_distance(student, teacher) + 2 * naive_angle(student, teacher)


LOSSES = {
    "cosine": (cosine_loss, naive_cosine),
    "distance": (distance_relation_loss, naive_distance),
    "angle": (angle_relation_loss, naive_angle),
    "relation": (relation_loss, naive_relation),
}
every_loss = pytest.mark.parametrize(("loss", "naive"), LOSSES.values(), ids=LOSSES)


def value_and_gradient(loss, student, teacher):
    student = tf.constant(student, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(student)
        values = loss(student, tf.constant(teacher, tf.float32))
    return values.numpy(), tape.gradient(values, student).numpy()


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients(loss, naive, seed):
    student, teacher = embeddings(seed), embeddings(seed + 10)
    values, gradient = value_and_gradient(loss, student, teacher)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, naive(student, teacher), rtol=1e-5, atol=1e-6)
    step, differences = 1e-5, np.zeros_like(student)
    for index in np.ndindex(student.shape):
        moved = np.zeros_like(student)
        moved[index] = step
        rise = naive(student + moved, teacher).sum() - naive(student - moved, teacher).sum()
        differences[index] = rise / (2 * step)
    np.testing.assert_allclose(gradient, differences, atol=1e-4 * np.abs(differences).max())


@every_loss
def test_half_precision_is_computed_in_single(loss, naive):
    student, teacher = (embeddings(seed).astype(np.float16) for seed in (0, 1))
    values = loss(tf.constant(student), tf.constant(teacher)).numpy()
    expected = naive(student.astype(np.float64), teacher.astype(np.float64))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


@every_loss
def test_a_perfect_student(loss, naive):
    rows = embeddings(0)
    values, gradient = value_and_gradient(loss, 5 * rows, rows)
    np.testing.assert_allclose(values, 0, atol=1e-9)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_relations_do_not_depend_on_rotation_nor_length():
    rows = embeddings(0)
    rotation = np.linalg.qr(embeddings(1, 5, 5))[0]
    longer = np.concatenate([rows @ rotation, np.zeros((7, 3))], axis=1)
    values, _ = value_and_gradient(relation_loss, longer, rows)
    np.testing.assert_allclose(values, 0, atol=1e-9)


@every_loss
def test_opposite_equal_and_zero_embeddings(loss, naive):
    student, teacher = embeddings(0), embeddings(1)
    student[0], student[1] = -teacher[0], teacher[1]
    student[2] = student[3] = student[4]
    teacher[5] = teacher[6]
    values, gradient = value_and_gradient(loss, student, teacher)
    np.testing.assert_allclose(values, naive(student, teacher), rtol=1e-5, atol=1e-6)
    student[6] = teacher[0] = 0
    for array in (*value_and_gradient(loss, student, teacher), gradient):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("loss", [distance_relation_loss, angle_relation_loss, relation_loss])
@pytest.mark.parametrize("same", itertools.product([False, True], repeat=2))
def test_batches_of_one_face(loss, same):
    student, teacher = (np.repeat(rows[:1], 7, axis=0) if one else rows for one, rows in zip(same, PAIR, strict=True))
    values, gradient = value_and_gradient(loss, student, teacher)
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    assert (values.max() < 1e-9) == (same == (True, True))


PAIR = embeddings(0), embeddings(1)


@every_loss
@pytest.mark.parametrize("count", [0, 1])
def test_batches_without_pairs(loss, naive, count):
    values, gradient = value_and_gradient(loss, embeddings(0, count), embeddings(1, count))
    assert values.shape == (count,)
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()


@every_loss
def test_nan_is_not_hidden(loss, naive):
    student = embeddings(0)
    student[2, 0] = np.nan
    assert np.isnan(value_and_gradient(loss, student, embeddings(1))[0][2])


def test_cosines_need_one_length():
    with pytest.raises(ValueError, match="must have the same length, got 5 and 4"):
        cosine_loss(embeddings(0), embeddings(1, size=4))
