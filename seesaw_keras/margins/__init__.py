"""Margins for softmax losses on the hypersphere, triplet losses, Partial FC, and `with_margin()`."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.margins.arcface import ArcFace
    from seesaw_keras.margins.base import Cosines, Margin, MarginOutput
    from seesaw_keras.margins.model import with_margin
    from seesaw_keras.margins.registry import list_margins, make_margin

__all__ = ["ArcFace", "Cosines", "Margin", "MarginOutput", "list_margins", "make_margin", "with_margin"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "ArcFace": "seesaw_keras.margins.arcface",
        "Cosines": "seesaw_keras.margins.base",
        "Margin": "seesaw_keras.margins.base",
        "MarginOutput": "seesaw_keras.margins.base",
        "list_margins": "seesaw_keras.margins.registry",
        "make_margin": "seesaw_keras.margins.registry",
        "with_margin": "seesaw_keras.margins.model",
    },
)
