"""Sub-center ArcFace: several centers per class, for robustness to label noise.

>>> from seesaw_keras.margins import SubcenterArcFace
>>> logits = SubcenterArcFace(1000, subcenters=3)([embeddings, labels])  # doctest: +SKIP
"""

import functools
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.losses.arcface import ArcFace

__all__ = ["SubcenterArcFace"]


@keras.utils.register_keras_serializable(package="seesaw_keras")
class SubcenterArcFace(ArcFace):
    """ArcFace on the largest of the K cosines of each class (Sub-center ArcFace, ECCV 2020, section 3); K = 3.

    The centers are (embedding_size, num_classes, subcenters).

    Raises:
        ValueError: if `subcenters` is below 1.
    """

    def __init__(self, num_classes: int, *args: Any, subcenters: int = 3, **kwargs: Any) -> None:
        super().__init__(num_classes, *args, **kwargs)
        if subcenters < 1:
            raise ValueError(f"SubcenterArcFace: subcenters must be 1 or more, got {subcenters}")
        self.subcenters = subcenters

    def centers_shape(self, embedding_size: int) -> tuple[int, ...]:
        """Returns (embedding_size, num_classes, subcenters)."""
        return (embedding_size, self.num_classes, self.subcenters)

    def class_cosines(self, unit: Any, centers: Any) -> Any:
        """Returns the largest cosine with any center of each class, (n, k)."""
        flat = super().class_cosines(unit, tf.reshape(centers, (centers.shape[0], -1)))
        cosines = tf.reshape(flat, (tf.shape(unit)[0], -1, self.subcenters))
        # Not reduce_max, whose gradient is several times slower along such a short axis.
        return functools.reduce(tf.maximum, tf.unstack(cosines, axis=2))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "subcenters": self.subcenters}
