"""Margin-based softmax losses, triplet losses, Partial FC, and `with_margin()`."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.margins.base import Cosines, Margin, MarginOutput
    from seesaw_keras.margins.losses.adacos import AdaCos
    from seesaw_keras.margins.losses.adaface import AdaFace
    from seesaw_keras.margins.losses.arcface import ArcFace
    from seesaw_keras.margins.losses.combined import CombinedMargin
    from seesaw_keras.margins.losses.cosface import CosFace
    from seesaw_keras.margins.losses.curricularface import CurricularFace
    from seesaw_keras.margins.losses.li_arcface import LiArcFace
    from seesaw_keras.margins.losses.magface import MagFace
    from seesaw_keras.margins.losses.normface import NormFace
    from seesaw_keras.margins.losses.sphereface import SphereFace
    from seesaw_keras.margins.losses.subcenter_arcface import SubcenterArcFace
    from seesaw_keras.margins.margin_model import with_margin
    from seesaw_keras.margins.registry import list_margins, make_margin
    from seesaw_keras.margins.triplet import triplet_loss

__all__ = [
    "AdaCos",
    "AdaFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "Cosines",
    "CurricularFace",
    "LiArcFace",
    "MagFace",
    "Margin",
    "MarginOutput",
    "NormFace",
    "SphereFace",
    "SubcenterArcFace",
    "list_margins",
    "make_margin",
    "triplet_loss",
    "with_margin",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "AdaCos": "seesaw_keras.margins.losses.adacos",
        "AdaFace": "seesaw_keras.margins.losses.adaface",
        "ArcFace": "seesaw_keras.margins.losses.arcface",
        "CombinedMargin": "seesaw_keras.margins.losses.combined",
        "CosFace": "seesaw_keras.margins.losses.cosface",
        "Cosines": "seesaw_keras.margins.base",
        "CurricularFace": "seesaw_keras.margins.losses.curricularface",
        "LiArcFace": "seesaw_keras.margins.losses.li_arcface",
        "MagFace": "seesaw_keras.margins.losses.magface",
        "Margin": "seesaw_keras.margins.base",
        "MarginOutput": "seesaw_keras.margins.base",
        "NormFace": "seesaw_keras.margins.losses.normface",
        "SphereFace": "seesaw_keras.margins.losses.sphereface",
        "SubcenterArcFace": "seesaw_keras.margins.losses.subcenter_arcface",
        "list_margins": "seesaw_keras.margins.registry",
        "make_margin": "seesaw_keras.margins.registry",
        "triplet_loss": "seesaw_keras.margins.triplet",
        "with_margin": "seesaw_keras.margins.margin_model",
    },
)
