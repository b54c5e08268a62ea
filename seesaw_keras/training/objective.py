"""`Objective`: all that a training minimises, a weighted sum of losses, one number an image.

>>> import tensorflow as tf
>>> from seesaw_keras.margins import make_margin
>>> from seesaw_keras.training.objective import Objective
>>> objective = Objective(make_margin("arcface", 1000), cosine_weight=20.0, teacher_size=128)
>>> objective.build((None, 512))
>>> embeddings, labels, teacher = tf.random.normal((8, 512)), tf.range(8), tf.random.normal((8, 128))
>>> loss, statistics = objective.losses_and_statistics(embeddings, labels, teacher, training=True)
>>> loss.shape, sorted(statistics)
(TensorShape([8]), ['loss_cosine', 'loss_margin', 'other_angle', 'target_angle'])
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins import Margin, make_margin, triplet_loss
from seesaw_keras.training.distillation import cosine_loss, relation_loss
from seesaw_keras.training.recipe import Recipe

__all__ = ["Objective", "make_objective"]

MINING = {"triplet_semi_hard": "semi_hard", "triplet_hard": "hard"}


class Objective(keras.layers.Layer):
    """The losses of a recipe, with the weights they train: class centres and, to a longer teacher, a projection.

    It computes in float32, whatever the mixed-precision policy. Call `build((None, embedding_size))` inside of the
    strategy's scope before the first step.

    Args:
        margin: the classifier of the loss on labels; "triplet_semi_hard" or "triplet_hard" for triplets of the batch;
            None for no loss on labels.
        label_weight: of the loss on labels.
        cosine_weight: of `distillation.cosine_loss`.
        relation_weight: of `distillation.relation_loss`.
        teacher_size: length of the teacher's embeddings, None if there is no teacher. To `cosine_loss` shorter ones
            are turned into the student's space by a fixed isometry, which keeps every cosine between them and leaves
            no direction of the student's to chance; longer ones it compares with a trained linear projection of the
            student's, without bias.
        triplet_margin: of the triplet losses.

    Attributes:
        margin: as given.
        isometry: None, or the fixed variable (teacher size, embedding size) with orthonormal rows.
        projection: None, or the trained variable (embedding size, teacher size).
        needs_teacher: whether a step needs the teacher's embeddings.

    Raises:
        ValueError: if all weights are 0, one is below 0, a teacher's length is missing or there is no such triplet
            loss.
    """

    def __init__(
        self,
        margin: Margin | str | None,
        *,
        label_weight: float = 1.0,
        cosine_weight: float = 0.0,
        relation_weight: float = 0.0,
        teacher_size: int | None = None,
        triplet_margin: float = 0.2,
    ) -> None:
        super().__init__(dtype="float32", name="objective")
        if isinstance(margin, str) and margin not in MINING:
            raise ValueError(f"unknown triplet loss {margin!r}: choose one of {', '.join(MINING)}, or give a margin")
        weights = (label_weight, cosine_weight, relation_weight)
        if min(weights) < 0:
            raise ValueError(f"the weights of the losses on labels, cosines and relations must be 0 or more: {weights}")
        self.margin = margin if label_weight else None
        self.needs_teacher = bool(cosine_weight or relation_weight)
        if self.margin is None and not self.needs_teacher:
            raise ValueError("nothing to learn from: give a margin with label_weight, cosine_weight or relation_weight")
        if self.needs_teacher and teacher_size is None:
            raise ValueError("distillation needs the length of the teacher's embeddings: give teacher_size")
        self._label_weight, self._cosine_weight, self._relation_weight = weights
        self._teacher_size = teacher_size
        self._triplet_margin = triplet_margin
        self.isometry: Any = None
        self.projection: Any = None

    def build(self, input_shape: tuple) -> None:
        """Makes the class centres and, where it is needed, the isometry or projection.

        Args:
            input_shape: (None, embedding_size).
        """
        size = input_shape[-1]
        if self._cosine_weight and size > self._teacher_size:
            self.isometry = self.add_weight(
                name="isometry", shape=(self._teacher_size, size), initializer="orthogonal", trainable=False
            )
        elif self._cosine_weight and size < self._teacher_size:
            self.projection = self.add_weight(
                name="projection", shape=(size, self._teacher_size), initializer="glorot_uniform"
            )
        if isinstance(self.margin, Margin) and not self.margin.built:
            self.margin.build((None, size))
        super().build(input_shape)

    def losses_and_statistics(
        self, embeddings: Any, labels: Any, teacher: Any = None, training: bool = True
    ) -> tuple[Any, dict[str, Any]]:
        """Computes the losses of one replica's batch.

        Args:
            embeddings: (n, d) of any length; margins that look at the length (AdaFace, MagFace) need them as they were
                before normalisation. n may be 0.
            labels: integers (n,).
            teacher: (n, e), needed for distillation, else ignored.
            training: whether margins that adapt do so, and Partial FC draws classes.

        Returns:
            The weighted sum, float32 (n,), and by name, (n,) each and as far as they are part of it, the losses without
            their weights, `loss_margin`, `loss_cosine` and `loss_relation`, and a margin's angles in degrees, from the
            embedding to its own class centre, `target_angle`, and to the nearest other one, `other_angle`.

        Raises:
            ValueError: if the teacher's embeddings are missing or not of the length that was announced.
        """
        embeddings = tf.cast(embeddings, tf.float32)
        if not self.built:
            self.build(embeddings.shape)
        self._check_teacher(teacher)
        total = tf.zeros(tf.shape(embeddings)[:1])
        losses: dict[str, Any] = {}
        angles: dict[str, Any] = {}
        if self.margin is not None:
            losses["loss_margin"], angles = self._label_loss(self.margin, embeddings, labels, training)
            total += self._label_weight * losses["loss_margin"]
        if self._cosine_weight:
            seen = embeddings if self.projection is None else tf.matmul(embeddings, self.projection)
            aim = teacher if self.isometry is None else tf.matmul(tf.cast(teacher, tf.float32), self.isometry)
            losses["loss_cosine"] = cosine_loss(seen, aim)
            total += self._cosine_weight * losses["loss_cosine"]
        if self._relation_weight:
            losses["loss_relation"] = relation_loss(embeddings, teacher)
            total += self._relation_weight * losses["loss_relation"]
        return total, losses | angles

    def _check_teacher(self, teacher: Any) -> None:
        if not self.needs_teacher:
            return
        if teacher is None:
            raise ValueError("distillation needs the teacher's embeddings: give them to TrainingInput as targets")
        if teacher.shape[-1] != self._teacher_size:
            raise ValueError(f"teacher_size is {self._teacher_size}, but its embeddings have {teacher.shape[-1]}")

    def _label_loss(
        self, margin: Margin | str, embeddings: Any, labels: Any, training: bool
    ) -> tuple[Any, dict[str, Any]]:
        if isinstance(margin, str):
            return triplet_loss(embeddings, labels, margin=self._triplet_margin, mining=MINING[margin]), {}
        output = margin.forward(embeddings, labels, training)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=output.labels, logits=output.logits)
        if output.regularizer is not None:
            loss += output.regularizer
        return loss, {"target_angle": _degrees(output.target_cosine), "other_angle": _degrees(output.other_cosine)}


def _degrees(cosine: Any) -> Any:
    return tf.acos(tf.clip_by_value(tf.stop_gradient(cosine), -1.0, 1.0)) * (180 / math.pi)


def make_objective(recipe: Recipe, num_classes: int, teacher_size: int | None = None) -> Objective:
    """Makes the objective of a recipe.

    Args:
        recipe: names the margin and the losses' weights.
        num_classes: people in the data set.
        teacher_size: length of the teacher's embeddings, None without a teacher.

    Raises:
        ValueError: if there is no such margin, or the recipe distils and `teacher_size` is None.
    """
    margin: Margin | str | None = recipe.margin
    if isinstance(margin, str) and margin not in MINING:
        settings = {"s": recipe.s, "m": recipe.m, "sample_rate": recipe.sample_rate, "seed": recipe.seed}
        margin = make_margin(margin, num_classes, **settings)
    return Objective(
        margin,
        label_weight=recipe.label_weight,
        cosine_weight=recipe.cosine_weight,
        relation_weight=recipe.relation_weight,
        teacher_size=teacher_size,
        **({} if recipe.m is None else {"triplet_margin": recipe.m}),
    )
