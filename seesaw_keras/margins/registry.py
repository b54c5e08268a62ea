"""Registry of margins by name.

>>> from seesaw_keras.margins import list_margins, make_margin
>>> list_margins()[:3]
['adacos', 'adaface', 'arcface']
>>> margin = make_margin("cosface", 1000, m=0.4)  # doctest: +SKIP
"""

import importlib
from typing import Any

from seesaw_keras.choices import unknown_name

__all__ = ["list_margins", "make_margin"]

# Module name in `losses` -> class name; loaded lazily.
_CLASSES = {
    "adacos": "AdaCos",
    "adaface": "AdaFace",
    "arcface": "ArcFace",
    "combined": "CombinedMargin",
    "cosface": "CosFace",
    "curricularface": "CurricularFace",
    "li_arcface": "LiArcFace",
    "magface": "MagFace",
    "normface": "NormFace",
    "sphereface": "SphereFace",
    "subcenter_arcface": "SubcenterArcFace",
}


def list_margins() -> list[str]:
    """Returns the names of all margins."""
    return sorted(_CLASSES)


def make_margin(name: str, /, num_classes: int, **kwargs: Any) -> Any:
    """Creates a margin by name.

    Args:
        name: one of `list_margins()`.
        num_classes: number of classes, 2 or more.
        **kwargs: `s`, `m`, `sample_rate`, `seed` and further arguments of the class; s and m default to the published
            values.

    Returns:
        A `seesaw_keras.margins.Margin`.

    Raises:
        ValueError: if the margin is unknown (the message suggests the closest match and lists all), or an argument is
            out of range.
    """
    if name not in _CLASSES:
        raise ValueError(unknown_name("margin", name, list_margins()))
    module = importlib.import_module(f"seesaw_keras.margins.losses.{name}")
    return getattr(module, _CLASSES[name])(num_classes, **kwargs)
