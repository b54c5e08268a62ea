"""Names of synthetic sets, accepted anywhere a data set's path is expected.

>>> from seesaw_keras.data.synthetic.names import named_faces, named_pairs
>>> len(named_faces("synthetic:400x10@32"))
4000
>>> len(named_pairs("synthetic:600@32"))
600
"""

import re
from pathlib import Path

from seesaw_keras.data.records import Pairs
from seesaw_keras.data.synthetic.drawing.sketch import TEMPLATE_SIZE
from seesaw_keras.data.synthetic.source import SyntheticFaces, synthetic_pairs

__all__ = ["is_synthetic", "named_faces", "named_pairs"]

_FACES = re.compile(r"synthetic:([0-9]{1,10})x([0-9]{1,10})(?:@([0-9]{1,4}))?")
_PAIRS = re.compile(r"synthetic:([0-9]{1,10})(?:@([0-9]{1,4}))?")


def is_synthetic(path: str | Path) -> bool:
    """Returns whether `path` names a synthetic set instead of a file."""
    return str(path).startswith("synthetic:")


def named_faces(name: str | Path) -> SyntheticFaces:
    """Returns the faces of `synthetic:PEOPLExIMAGES@SIZE`; without `@SIZE` the size is 112 pixels.

    Raises:
        ValueError: if the name is not of that form, or a number is outside its range.
    """
    match = _FACES.fullmatch(str(name))
    if not match:
        raise ValueError(f"{name}: expected synthetic:PEOPLExIMAGES@SIZE, such as synthetic:400x10@112")
    return SyntheticFaces(int(match[1]), int(match[2]), size=int(match[3] or TEMPLATE_SIZE))


def named_pairs(name: str | Path) -> Pairs:
    """Returns the pairs of `synthetic:PAIRS@SIZE`; their identities do not occur in `named_faces`.

    Raises:
        ValueError: if the name is not of that form, or a number is outside its range.
    """
    match = _PAIRS.fullmatch(str(name))
    if not match:
        raise ValueError(f"{name}: expected synthetic:PAIRS@SIZE, such as synthetic:2000@112")
    return synthetic_pairs(int(match[1]), size=int(match[2] or TEMPLATE_SIZE))
