"""Margins for softmax losses on the hypersphere, triplet losses, Partial FC, and `with_margin()`."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.margins.adacos import AdaCos
    from seesaw_keras.margins.adaface import AdaFace
    from seesaw_keras.margins.arcface import ArcFace
    from seesaw_keras.margins.base import Cosines, Margin, MarginOutput
    from seesaw_keras.margins.combined import CombinedMargin
    from seesaw_keras.margins.cosface import CosFace
    from seesaw_keras.margins.curricularface import CurricularFace
    from seesaw_keras.margins.li_arcface import LiArcFace
    from seesaw_keras.margins.magface import MagFace
    from seesaw_keras.margins.model import with_margin
    from seesaw_keras.margins.normface import NormFace
    from seesaw_keras.margins.registry import list_margins, make_margin
    from seesaw_keras.margins.sphereface import SphereFace
    from seesaw_keras.margins.subcenter_arcface import SubcenterArcFace
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
        "AdaCos": "seesaw_keras.margins.adacos",
        "AdaFace": "seesaw_keras.margins.adaface",
        "ArcFace": "seesaw_keras.margins.arcface",
        "CombinedMargin": "seesaw_keras.margins.combined",
        "CosFace": "seesaw_keras.margins.cosface",
        "Cosines": "seesaw_keras.margins.base",
        "CurricularFace": "seesaw_keras.margins.curricularface",
        "LiArcFace": "seesaw_keras.margins.li_arcface",
        "MagFace": "seesaw_keras.margins.magface",
        "Margin": "seesaw_keras.margins.base",
        "MarginOutput": "seesaw_keras.margins.base",
        "NormFace": "seesaw_keras.margins.normface",
        "SphereFace": "seesaw_keras.margins.sphereface",
        "SubcenterArcFace": "seesaw_keras.margins.subcenter_arcface",
        "list_margins": "seesaw_keras.margins.registry",
        "make_margin": "seesaw_keras.margins.registry",
        "triplet_loss": "seesaw_keras.margins.triplet",
        "with_margin": "seesaw_keras.margins.model",
    },
)
