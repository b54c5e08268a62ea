"""AdaCos: no margin; the scale adapts to the batch.

>>> from seesaw_keras.margins import AdaCos
>>> logits = AdaCos(1000)([embeddings, labels], training=True)  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import angle
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["AdaCos"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class AdaCos(Margin):
    """s cos(theta) for all classes, s = log(B) / cos(min(pi / 4, median of theta)) (AdaCos, arXiv 1905.00292).

    Section 4.2: B is the batch mean of the sum of exp(s cos(theta)) over the other classes, with the s of the previous
    step. s is initialized to sqrt(2) log(num_classes - 1), the fixed scale of section 4.1, or to the given `s`. The
    median of an even number of angles is the lower of the two middle values.
    """

    default_s = None
    default_m = 0.0
    m_range = (0.0, 0.0)

    def build(self, input_shape: Any) -> None:
        """Creates the centers and the scale."""
        super().build(input_shape)
        # With two classes the formula gives a scale of 0, with which nothing can be learned.
        fixed = math.sqrt(2.0) * math.log(max(self.num_classes - 1, 2))
        self.dynamic_scale = self.add_state("scale", self.s or fixed)

    @property
    def scale(self) -> Any:
        """The running scale, updated by `apply_margin` in training."""
        return self.dynamic_scale

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Updates the scale; returns the cosines unchanged."""
        if cosines.training:
            self._update(cosines)
        return cosines.target, cosines.all

    def _update(self, cosines: Cosines) -> None:
        negatives = tf.where(cosines.is_target, -math.inf, self.dynamic_scale * cosines.all)
        examples = tf.cast(tf.size(cosines.target), tf.float32)
        log_mean = tf.reduce_logsumexp(negatives) - tf.math.log(examples)
        # One extra entry, so that indexing also works for an empty batch.
        middle = tf.maximum(tf.size(cosines.target) - 1, 0) // 2
        median = tf.concat([tf.sort(angle(cosines.target)), [0.0]], axis=0)[middle]
        scale = log_mean / tf.cos(tf.minimum(math.pi / 4.0, median))
        self.update_state(self.dynamic_scale, scale, cosines.target)
