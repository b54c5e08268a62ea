"""Margins by name.

>>> from seesaw_keras.margins import list_margins, make_margin
>>> list_margins()[:3]
['adacos', 'adaface', 'arcface']
>>> margin = make_margin("cosface", 1000, m=0.4)  # doctest: +SKIP
"""

import difflib
import importlib
from typing import Any

__all__ = ["list_margins", "make_margin"]

# Name of the module in `losses` -> its class; loaded when asked for.
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
    """Makes a margin by name.

    Args:
        name: one of `list_margins()`.
        num_classes: 2 or more.
        **kwargs: `s`, `m`, `sample_rate`, `seed` and what else its class takes; by default s and m are the published
            ones.

    Returns:
        A `seesaw_keras.margins.Margin`.

    Raises:
        ValueError: if there is no such margin (the message names the nearest and lists all), or on an argument out
            of its range.
    """
    if name not in _CLASSES:
        nearest = difflib.get_close_matches(str(name), _CLASSES, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown margin {name!r}: did you mean {nearest!r}? All margins: {', '.join(list_margins())}")
    module = importlib.import_module(f"seesaw_keras.margins.losses.{name}")
    return getattr(module, _CLASSES[name])(num_classes, **kwargs)
