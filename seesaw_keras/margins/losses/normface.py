"""NormFace: softmax over scaled cosines without a margin.

>>> from seesaw_keras.margins import NormFace
>>> logits = NormFace(1000, s=30.0)([embeddings, labels])  # doctest: +SKIP
"""

from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["NormFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class NormFace(Margin):
    """s cos(theta) for all classes (NormFace, arXiv 1704.06369, section 3), with a fixed instead of a learned scale."""

    default_m = 0.0
    m_range = (0.0, 0.0)

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Returns the cosines unchanged."""
        return cosines.target, cosines.all
