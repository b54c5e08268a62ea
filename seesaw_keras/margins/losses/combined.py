"""Combined margin: SphereFace, ArcFace and CosFace in one formula.

>>> from seesaw_keras.margins import CombinedMargin
>>> logits = CombinedMargin(1000, m=0.3, multiplicative=1.0, additive=0.2)([embeddings, labels])  # doctest: +SKIP
"""

from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import angle
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["CombinedMargin"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class CombinedMargin(Margin):
    """s (cos(m1 theta + m2) - m3) for the own class (ArcFace, arXiv 1801.07698, equation 4).

    m1 is `multiplicative`, m2 is `m`, m3 is `additive`; the defaults are the paper's (1, 0.3, 0.2). As published, the
    formula is used unchanged where m1 theta + m2 exceeds pi.

    Raises:
        ValueError: if `multiplicative` is not positive or `additive` is negative.
    """

    default_m = 0.3

    def __init__(
        self, num_classes: int, *args: Any, multiplicative: float = 1.0, additive: float = 0.2, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, *args, **kwargs)
        if not (multiplicative > 0 and additive >= 0):
            raise ValueError(
                "CombinedMargin requires multiplicative above 0 and additive of 0 or more, "
                f"got {multiplicative} and {additive}"
            )
        self.multiplicative = multiplicative
        self.additive = additive

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Applies all three margins to the own class."""
        return tf.cos(self.multiplicative * angle(cosines.target) + self.m) - self.additive, cosines.all

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "multiplicative": self.multiplicative, "additive": self.additive}
