"""AdaFace: image-quality-adaptive margin; the embedding norm is the quality proxy.

>>> from seesaw_keras.margins import AdaFace
>>> logits = AdaFace(1000)([embeddings, labels], training=True)  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import angle
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["AdaFace"]

_EPSILON = 1e-3  # as in the authors' code
_MAX_NORM = 100.0


@keras.utils.register_keras_serializable(package="seesaw_keras")
class AdaFace(Margin):
    """s (cos(theta - m z) - (m + m z)) for the own class, where z in [-1, 1] is the standardized embedding norm.

    AdaFace, arXiv 2204.00964, section 3.3, g_angle and g_add: z = clip(h (norm - mean) / deviation, -1, 1) with
    h = 0.333; s = 64, m = 0.4. As in the authors' code, norms are clipped to [0.001, 100] and get no gradient; mean and
    deviation are running statistics with momentum 0.99, initialized to 20 and 100 and updated before use; theta - m z
    is clipped to [0.001, pi - 0.001]. Expects embeddings before normalization, which `with_margin` ensures.

    Attributes:
        momentum: momentum of the running statistics.

    Raises:
        ValueError: if h is not positive.
    """

    default_m = 0.4
    needs_norm = True
    momentum = 0.99

    def __init__(self, num_classes: int, *args: Any, h: float = 0.333, **kwargs: Any) -> None:
        super().__init__(num_classes, *args, **kwargs)
        if not h > 0:
            raise ValueError(f"AdaFace: h must be above 0, got {h}")
        self.h = h

    def build(self, input_shape: Any) -> None:
        """Creates the centers and the running statistics."""
        super().build(input_shape)
        self.mean = self.add_state("mean", 20.0)
        self.deviation = self.add_state("deviation", 100.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Applies the norm-dependent angular and additive margins to the own class."""
        norms = tf.stop_gradient(tf.clip_by_value(cosines.norms, _EPSILON, _MAX_NORM))
        if cosines.training:
            self._update(norms)
        z = tf.clip_by_value(self.h * (norms - self.mean) / (self.deviation + _EPSILON), -1.0, 1.0)
        theta = tf.clip_by_value(angle(cosines.target) - self.m * z, _EPSILON, math.pi - _EPSILON)
        return tf.cos(theta) - (self.m + self.m * z), cosines.all

    def _update(self, norms: Any) -> None:
        """Updates running mean and standard deviation (unbiased, as in the authors' code) with the batch's."""
        mean = tf.reduce_mean(norms)
        degrees = tf.cast(tf.maximum(tf.size(norms) - 1, 1), tf.float32)
        deviation = tf.sqrt(tf.reduce_sum(tf.square(norms - mean)) / degrees)
        for state, value in ((self.mean, mean), (self.deviation, deviation)):
            self.update_state(state, self.momentum * state + (1.0 - self.momentum) * value, norms)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "h": self.h}
