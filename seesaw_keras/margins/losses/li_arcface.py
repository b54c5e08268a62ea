"""Li-ArcFace: additive angular margin with logits linear in the angle.

>>> from seesaw_keras.margins import LiArcFace
>>> logits = LiArcFace(1000)([embeddings, labels])  # doctest: +SKIP
"""

import math
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import angle
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["LiArcFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class LiArcFace(Margin):
    """s (pi - 2 (theta + m)) / pi for the own class, s (pi - 2 theta) / pi for the others.

    AirFace (arXiv 1907.12256, section 3, the Li-ArcFace loss); s = 64, m = 0.45 as published. The logit decreases over
    the whole range of angles, so no replacement beyond pi - m is needed.
    """

    default_m = 0.45

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Makes all logits linear in the angle and adds m to the angle to the own class."""
        others = angle(tf.clip_by_value(cosines.all, -1.0, 1.0))
        return _linear(angle(cosines.target) + self.m), _linear(others)


def _linear(theta: Any) -> Any:
    return 1.0 - (2.0 / math.pi) * theta
