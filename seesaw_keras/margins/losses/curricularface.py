"""CurricularFace: ArcFace with hard negatives whose weight increases during training.

>>> from seesaw_keras.margins import CurricularFace
>>> logits = CurricularFace(1000)([embeddings, labels], training=True)  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import additive_angular, sine
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["CurricularFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class CurricularFace(Margin):
    """ArcFace for the own class; cos(theta_j) (t + cos(theta_j)) for other classes with cosine above cos(theta + m).

    CurricularFace, arXiv 2004.00288, section 3.2, functions T and N, with s = 64 and m = 0.5. As in the authors' code,
    t is the running mean of the own class cosine with momentum 0.99, initialized to 0 and updated before use, and
    ArcFace's replacement beyond pi - m does not affect the selection of hard negatives.

    Attributes:
        momentum: momentum of t.
    """

    momentum = 0.99

    def build(self, input_shape: Any) -> None:
        """Creates the centers and t."""
        super().build(input_shape)
        self.t = self.add_state("t", 0.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Adds m to the angle to the own class and reweights hard negatives by t."""
        target = cosines.target
        if cosines.training:
            mean = tf.reduce_mean(target)
            self.update_state(self.t, self.momentum * self.t + (1.0 - self.momentum) * mean, target)
        with_margin = target * math.cos(self.m) - sine(target) * math.sin(self.m)
        hard = cosines.all > with_margin[:, None]
        others = tf.where(hard, cosines.all * (self.t + cosines.all), cosines.all)
        return additive_angular(target, self.m, easy_margin=False), others
