"""CosFace, also known as AM-softmax: additive cosine margin.

>>> from seesaw_keras.margins import CosFace
>>> logits = CosFace(1000, s=30.0)([embeddings, labels])  # doctest: +SKIP
"""

from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["CosFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class CosFace(Margin):
    """s (cos(theta) - m) for the own class (CosFace, arXiv 1801.09414, equation 4; AM-softmax, 1801.05599, equation 6).

    Both papers use the same formula with m = 0.35; s is 64 in CosFace and 30 in AM-softmax.
    """

    default_m = 0.35
    m_range = (0.0, 2.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Subtracts m from the cosine to the own class."""
        return cosines.target - self.m, cosines.all
