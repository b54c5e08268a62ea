"""SphereFace: multiplicative angular margin.

>>> from seesaw_keras.margins import SphereFace
>>> logits = SphereFace(1000, s=30.0, m=1.5)([embeddings, labels])  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import angle
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["SphereFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class SphereFace(Margin):
    """s psi(theta) for the own class, where psi is the monotonic continuation of cos(m theta).

    psi(theta) = (-1)^k cos(m theta) - 2k for theta in [k pi / m, (k + 1) pi / m] (SphereFace, arXiv 1704.08063,
    equation 7 and after). As in SphereFace Revived (arXiv 2109.05565, hard feature normalization), the scale s replaces
    the embedding norm, with the defaults of its code (s = 30, m = 1.5); it trains without the annealing that the
    original paper needs for m = 4.
    """

    default_s = 30.0
    default_m = 1.5
    m_range = (1.0, 8.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Multiplies the angle to the own class by m."""
        theta = self.m * angle(cosines.target)
        # Clamp k, because rounding could otherwise move theta = pi into a nonexistent segment.
        k = tf.minimum(tf.floor(theta / math.pi), math.ceil(self.m) - 1.0)
        return (1.0 - 2.0 * (k % 2.0)) * tf.cos(theta) - 2.0 * k, cosines.all
