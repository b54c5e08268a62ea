"""MagFace: ArcFace whose margin increases with the embedding norm, and a regularizer that encourages large norms.

>>> from seesaw_keras.margins import MagFace
>>> logits = MagFace(1000)([embeddings, labels])  # doctest: +SKIP
"""

from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import additive_angular
from seesaw_keras.margins.base import Cosines, Margin

__all__ = ["MagFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class MagFace(Margin):
    """s cos(theta + m(a)) for the own class, and lambda_g g(a) added to the loss; a is the embedding norm.

    MagFace, arXiv 2103.06627, equation 3: a is clipped to [l_a, u_a] = [10, 110], m(a) increases linearly
    from `m` = 0.45 to `u_m` = 0.8, g(a) = 1 / a + a / u_a^2, lambda_g = 35, s = 64. `easy_margin` and the replacement
    beyond pi - m(a) are those of ArcFace, as in the authors' code. Expects embeddings before normalization, which
    `with_margin` ensures.

    Raises:
        ValueError: unless 0 < l_a < u_a, m <= u_m <= pi and lambda_g >= 0.
    """

    default_m = 0.45
    needs_norm = True

    def __init__(
        self,
        num_classes: int,
        *args: Any,
        u_m: float = 0.8,
        l_a: float = 10.0,
        u_a: float = 110.0,
        lambda_g: float = 35.0,
        easy_margin: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, *args, **kwargs)
        if not (0 < l_a < u_a and self.m <= u_m <= self.m_range[1] and lambda_g >= 0):
            raise ValueError(
                "MagFace requires 0 < l_a < u_a, m <= u_m <= pi and lambda_g of 0 or more, "
                f"got l_a={l_a}, u_a={u_a}, m={self.m}, u_m={u_m}, lambda_g={lambda_g}"
            )
        self.u_m = u_m
        self.l_a = l_a
        self.u_a = u_a
        self.lambda_g = lambda_g
        self.easy_margin = easy_margin

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Adds m(a) to the angle to the own class."""
        slope = (self.u_m - self.m) / (self.u_a - self.l_a)
        margin = self.m + slope * (self._clipped(cosines.norms) - self.l_a)
        return additive_angular(cosines.target, margin, self.easy_margin), cosines.all

    def regularizer(self, norms: Any) -> Any:
        """Returns lambda_g g(a), (n,)."""
        a = self._clipped(norms)
        return self.lambda_g * (1.0 / a + a / self.u_a**2)

    def _clipped(self, norms: Any) -> Any:
        return tf.clip_by_value(norms, self.l_a, self.u_a)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        names = ("u_m", "l_a", "u_a", "lambda_g", "easy_margin")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
