"""`Mixture`: several data sets combined into one, with a weight for each; some may be without labels.

>>> from seesaw_keras.data import Mixture, open_source
>>> faces = Mixture([open_source("faces"), open_source("more_faces")], weights=[1.0, 0.5])  # doctest: +SKIP
"""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.records import UNLABELED, Record, Source

__all__ = ["Mixture"]


class Mixture(Source):
    """The concatenated records of several sources.

    Identities of different sources count as different people. An identity with a single image becomes `UNLABELED`,
    because the person may also appear under other labels; losses on labels skip it, so data sets in which every image
    has its own label are used for distillation only. The other identities are renumbered from 0 without gaps.

    Attributes:
        parts: the sources.

    Args:
        parts: the sources, one or more.
        weights: how many times the images of each source are shown per epoch on average; None for once.

    Raises:
        ValueError: if there is no source, or the number of weights differs from the number of sources.
    """

    def __init__(self, parts: Sequence[Source], weights: Sequence[float] | None = None) -> None:
        if not parts:
            raise ValueError("a mixture needs at least one data set")
        if weights is not None and len(weights) != len(parts):
            raise ValueError(f"{len(weights)} weights for {len(parts)} data sets; give one for each")
        self.parts = tuple(parts)
        self._starts = [0, *accumulate(len(part) for part in parts)]
        self._weights = None if weights is None else tuple(weights)
        self._labels = _joined_labels([part.labels() for part in parts])

    def __len__(self) -> int:
        return self._starts[-1]

    def _record(self, position: int) -> Record:
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        record = self.parts[number][position - self._starts[number]]
        return Record(record.image, int(self._labels[position]), record.name)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,); `UNLABELED` for records without one."""
        return self._labels

    def weights(self) -> npt.NDArray[np.float64] | None:
        """Returns how many times each record is shown per epoch, (n,); None for once."""
        if self._weights is None:
            return None
        return np.repeat(self._weights, [len(part) for part in self.parts])


def _joined_labels(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    owners = np.repeat(np.arange(len(parts)), [len(labels) for labels in parts])
    labels = np.concatenate(parts)
    keys, inverse, counts = np.unique(np.stack([owners, labels]), axis=1, return_inverse=True, return_counts=True)
    known = (counts > 1) & (keys[1] != UNLABELED)
    numbers = np.where(known, np.cumsum(known) - 1, UNLABELED)
    return numbers[inverse.ravel()].astype(np.int64)
