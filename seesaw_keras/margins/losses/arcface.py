"""ArcFace: additive angular margin.

>>> from seesaw_keras.margins import ArcFace
>>> logits = ArcFace(1000)([embeddings, labels])  # doctest: +SKIP
"""

from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import additive_angular
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["ArcFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class ArcFace(Margin):
    """s cos(theta + m) for the own class (ArcFace, arXiv 1801.07698, equation 3); s = 64, m = 0.5 as published.

    Beyond theta = pi - m, cos(theta) - m sin(m) is used instead, as in InsightFace's code. With `easy_margin`, only
    examples within 90 degrees of their class get the margin.
    """

    def __init__(self, num_classes: int, *args: Any, easy_margin: bool = False, **kwargs: Any) -> None:
        super().__init__(num_classes, *args, **kwargs)
        self.easy_margin = easy_margin

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Adds m to the angle to the own class."""
        return additive_angular(cosines.target, self.m, self.easy_margin), cosines.all

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "easy_margin": self.easy_margin}
