"""`Objective`: the training loss, a weighted sum of label and distillation losses, one value per image.

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

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins import Margin, make_margin, triplet_loss
from seesaw_keras.training.distillation.losses import contrast_loss, cosine_loss, relation_loss
from seesaw_keras.training.recipe import Recipe

__all__ = ["Objective", "make_objective"]

MINING = {"triplet_semi_hard": "semi_hard", "triplet_hard": "hard"}


class Objective(keras.layers.Layer):
    """The losses of a recipe and their trainable weights, the class centers.

    Computes in float32 under any mixed-precision policy. Call `build((None, embedding_size))` in the strategy's scope
    before the first step.

    Args:
        margin: margin for the label loss; "triplet_semi_hard" or "triplet_hard" for in-batch triplet losses; None for
            no label loss.
        label_weight: weight of the label loss.
        unlabeled: whether some images have no label (`UNLABELED`). They are excluded from the label loss, which is 0
            for them. Not compatible with XLA.
        cosine_weight: weight of `distillation.losses.cosine_loss`.
        relation_weight: weight of `distillation.losses.relation_loss`.
        contrast_weight: weight of `distillation.losses.contrast_loss`.
        bank: (m, teacher_size) teacher embeddings for the contrastive loss.
        temperature: temperature of the contrastive loss.
        teacher_size: dimension of the teacher's embeddings, at most the student's; None without a teacher. Shorter
            embeddings are mapped into the student's space by a fixed orthonormal projection, which preserves every
            cosine between them and leaves no direction of the student's space unconstrained.
        triplet_margin: margin of the triplet losses.

    Attributes:
        margin: the `margin` argument, or None if `label_weight` is 0.
        lifting: the fixed orthonormal projection, a variable (teacher_size, embedding_size); None if not needed.
        needs_teacher: whether a step needs the teacher's embeddings.

    Raises:
        ValueError: if all weights are 0, a weight is negative, the bank or `teacher_size` is missing, or the triplet
            loss is unknown.
    """

    def __init__(
        self,
        margin: Margin | str | None,
        *,
        label_weight: float = 1.0,
        unlabeled: bool = False,
        cosine_weight: float = 0.0,
        relation_weight: float = 0.0,
        contrast_weight: float = 0.0,
        bank: npt.NDArray[np.floating] | None = None,
        temperature: float = 0.07,
        teacher_size: int | None = None,
        triplet_margin: float = 0.2,
    ) -> None:
        super().__init__(dtype="float32", name="objective")
        if isinstance(margin, str) and margin not in MINING:
            raise ValueError(f"unknown triplet loss {margin!r}: choose one of {', '.join(MINING)}, or give a margin")
        weights = (label_weight, cosine_weight, relation_weight, contrast_weight)
        if min(weights) < 0:
            raise ValueError(f"the weights of the losses must be 0 or more: {weights}")
        self.margin = margin if label_weight else None
        self.needs_teacher = any(weights[1:])
        if self.margin is None and not self.needs_teacher:
            raise ValueError("no loss: set margin and label_weight, or the weight of a distillation loss")
        if self.needs_teacher and teacher_size is None:
            raise ValueError("distillation requires teacher_size, the length of the teacher's embeddings")
        if contrast_weight and bank is None:
            raise ValueError("contrastive distillation requires bank, teacher embeddings to compare with")
        self._label_weight, self._cosine_weight, self._relation_weight, self._contrast_weight = weights
        self._unlabeled = unlabeled
        self._teacher_size = teacher_size
        self._bank = None if bank is None else np.asarray(bank, np.float32)
        self._temperature = temperature
        self._triplet_margin = triplet_margin
        self.lifting: Any = None

    def build(self, input_shape: tuple) -> None:
        """Creates the class centers and, if needed, the fixed projection.

        Args:
            input_shape: (None, embedding_size).

        Raises:
            ValueError: if the teacher's embeddings are longer than the student's.
        """
        size = input_shape[-1]
        if self._cosine_weight or self._contrast_weight:
            if size < self._teacher_size:
                raise ValueError(
                    f"the teacher's embeddings have {self._teacher_size} numbers, the student's {size}: project "
                    f"them, for example with teacher_targets(size={size})"
                )
            if size > self._teacher_size:
                self.lifting = self.add_weight(
                    name="lifting", shape=(self._teacher_size, size), initializer="orthogonal", trainable=False
                )
        if isinstance(self.margin, Margin) and not self.margin.built:
            self.margin.build((None, size))
        super().build(input_shape)

    def losses_and_statistics(
        self, embeddings: Any, labels: Any, teacher: Any = None, training: bool = True
    ) -> tuple[Any, dict[str, Any]]:
        """Computes the losses of one replica's batch.

        Args:
            embeddings: (n, d), not necessarily normalized; norm-based margins (AdaFace, MagFace) need the embeddings
                before normalization. n may be 0.
            labels: integers (n,), `UNLABELED` for images without a label.
            teacher: (n, e) teacher embeddings; required for distillation, otherwise ignored.
            training: whether adaptive margins update their state and Partial FC samples classes.

        Returns:
            The weighted sum, float32 (n,), and a dictionary of statistics, (n,) each: the unweighted losses with a
            nonzero weight (`loss_margin`, `loss_cosine`, `loss_relation`, `loss_contrast`) and, for a margin, the
            angles in degrees from the embedding to its own class center (`target_angle`) and to the nearest other
            center (`other_angle`). With unlabeled images, the label statistics are scaled so that their batch mean is
            the mean over the labeled images.

        Raises:
            ValueError: if the teacher's embeddings are missing or their dimension is not `teacher_size`.
        """
        embeddings = tf.cast(embeddings, tf.float32)
        if not self.built:
            self.build(embeddings.shape)
        self._check_teacher(teacher)
        total = tf.zeros(tf.shape(embeddings)[:1])
        losses: dict[str, Any] = {}
        angles: dict[str, Any] = {}
        if self.margin is not None:
            label_losses, losses["loss_margin"], angles = self._label_loss(embeddings, labels, training)
            total += self._label_weight * label_losses
        if self._cosine_weight:
            losses["loss_cosine"] = cosine_loss(embeddings, self._lift(teacher))
            total += self._cosine_weight * losses["loss_cosine"]
        if self._relation_weight:
            losses["loss_relation"] = relation_loss(embeddings, teacher)
            total += self._relation_weight * losses["loss_relation"]
        if self._contrast_weight:
            bank = self._lift(tf.constant(self._bank))
            contrast = contrast_loss(embeddings, self._lift(teacher), bank, temperature=self._temperature)
            losses["loss_contrast"] = contrast
            total += self._contrast_weight * contrast
        return total, losses | angles

    def _lift(self, teacher: Any) -> Any:
        """Maps teacher embeddings into the student's space."""
        teacher = tf.cast(teacher, tf.float32)
        return teacher if self.lifting is None else tf.matmul(teacher, self.lifting)

    def _check_teacher(self, teacher: Any) -> None:
        if not self.needs_teacher:
            return
        if teacher is None:
            raise ValueError("distillation needs the teacher's embeddings: pass them to TrainingInput as targets")
        if teacher.shape[-1] != self._teacher_size:
            raise ValueError(
                f"teacher_size is {self._teacher_size}, but the embeddings have length {teacher.shape[-1]}"
            )

    def _label_loss(self, embeddings: Any, labels: Any, training: bool) -> tuple[Any, Any, dict[str, Any]]:
        """Returns the losses, the losses as a statistic, and the margin's angles, (n,) each."""
        if not self._unlabeled:
            losses, angles = self._losses_of_labeled(embeddings, labels, training)
            return losses, losses, angles
        # Adaptive margins must not see unlabeled embeddings, so they are removed instead of weighted 0.
        labeled = tf.where(labels >= 0)
        losses, angles = self._losses_of_labeled(
            tf.gather_nd(embeddings, labeled), tf.gather_nd(labels, labeled), training
        )
        count = tf.shape(labels, labeled.dtype)
        share = tf.cast(tf.shape(labeled)[0], tf.float32) / tf.cast(tf.maximum(count[0], 1), tf.float32)

        def spread(values: Any) -> Any:
            return tf.scatter_nd(labeled, values, count)

        means = {name: tf.math.divide_no_nan(spread(values), share) for name, values in angles.items()}
        return spread(losses), tf.math.divide_no_nan(spread(losses), share), means

    def _losses_of_labeled(self, embeddings: Any, labels: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        margin = self.margin
        if isinstance(margin, str):
            return triplet_loss(embeddings, labels, margin=self._triplet_margin, mining=MINING[margin]), {}
        assert margin is not None
        output = margin.forward(embeddings, labels, training)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=output.labels, logits=output.logits)
        if output.regularizer is not None:
            loss += output.regularizer
        return loss, {"target_angle": _degrees(output.target_cosine), "other_angle": _degrees(output.other_cosine)}


def _degrees(cosine: Any) -> Any:
    return tf.acos(tf.clip_by_value(tf.stop_gradient(cosine), -1.0, 1.0)) * (180 / math.pi)


def make_objective(
    recipe: Recipe,
    num_classes: int,
    teacher: npt.NDArray[np.floating] | None = None,
    *,
    unlabeled: bool = False,
) -> Objective:
    """Builds the objective of a recipe.

    Args:
        recipe: supplies the margin and the loss weights.
        num_classes: number of identities in the data set.
        teacher: the teacher's embeddings (views, images, dimension), or None. The bank of the contrastive loss is
            sampled from the first view of images spaced evenly over the data set.
        unlabeled: whether some images have no label.

    Raises:
        ValueError: if the margin is unknown, the margin needs labels and there are none, XLA is combined with
            unlabeled images, or the recipe distills and `teacher` is None.
    """
    margin: Margin | str | None = recipe.margin
    if margin is not None and unlabeled and (recipe.xla or not num_classes):
        reason = (
            "XLA does not support unlabeled images, set xla=false" if num_classes else "there are none, set margin=none"
        )
        raise ValueError(f"recipe {recipe.name!r}: margin {margin} needs labeled images; {reason}")
    if isinstance(margin, str) and margin not in MINING:
        settings = {"s": recipe.s, "m": recipe.m, "sample_rate": recipe.sample_rate, "seed": recipe.seed}
        margin = make_margin(margin, num_classes, **settings)
    bank = None
    if recipe.contrast_weight and teacher is not None:
        images = teacher.shape[1]
        bank = teacher[0, np.linspace(0, images - 1, min(recipe.bank_size, images)).astype(int)]
    return Objective(
        margin,
        label_weight=recipe.label_weight,
        unlabeled=unlabeled,
        cosine_weight=recipe.cosine_weight,
        relation_weight=recipe.relation_weight,
        contrast_weight=recipe.contrast_weight,
        bank=bank,
        temperature=recipe.temperature,
        teacher_size=None if teacher is None else teacher.shape[-1],
        **({} if recipe.m is None else {"triplet_margin": recipe.m}),
    )
