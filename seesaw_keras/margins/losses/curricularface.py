"""CurricularFace: ArcFace with negatives that weigh the more, the further training is.

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
    """ArcFace for the own class; cos(theta_j) (t + cos(theta_j)) for others that come closer than cos(theta + m).

    CurricularFace, arXiv 2004.00288, section 3.2, the functions T and N, with s = 64 and m = 0.5. t is the running mean
    of the own class' cosine, of momentum 0.99, starting at 0 and updated before it is used, as in the authors' code; so
    is the fall-back of ArcFace beyond pi - m, which has no part in the choice of hard negatives.

    Attributes:
        momentum: of t.
    """

    momentum = 0.99

    def build(self, input_shape: Any) -> None:
        """Makes the centers and t."""
        super().build(input_shape)
        self.t = self.add_state("t", 0.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Adds m to the own class' angle and weighs the hard negatives by t."""
        target = cosines.target
        if cosines.training:
            mean = tf.reduce_mean(target)
            self.update_state(self.t, self.momentum * self.t + (1.0 - self.momentum) * mean, target)
        with_margin = target * math.cos(self.m) - sine(target) * math.sin(self.m)
        hard = cosines.all > with_margin[:, None]
        others = tf.where(hard, cosines.all * (self.t + cosines.all), cosines.all)
        return additive_angular(target, self.m, easy_margin=False), others
