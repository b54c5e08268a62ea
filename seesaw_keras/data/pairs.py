"""Pairs of images to verify: InsightFace's .bin, LFW's `pairs.txt`, CFP's protocol folders.

>>> from seesaw_keras.data.pairs import open_pairs
>>> pairs = open_pairs("lfw_view2_aligned112.zip", "pairs.txt")
>>> len(pairs), len(pairs.names), pairs.same.sum()
(6000, 7701, 3000)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Pairs"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images with the truth about them.

    Attributes:
        names: one name an image, for messages and reports.
        index: int64 (n, 2), the two images of each pair as positions in `names`.
        same: bool (n,), whether the two show the same person.
        folds: int64 (n,), each pair's fold, from 0.
        read: returns the encoded bytes of the image at a position of `names`; raises a ValueError that names the
            file where it cannot.
    """

    names: list[str]
    index: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.same)
