"""Even subsampling of a source.

>>> from seesaw_keras.data.preparation.sample import EvenSample
>>> from seesaw_keras.data.synthetic import SyntheticFaces
>>> [record.label for record in EvenSample(SyntheticFaces(4, 2, size=16), 3)]
[0, 1, 2]
"""

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.preparation.selection import renumbered
from seesaw_keras.data.records import Record, Source

__all__ = ["EvenSample"]


class EvenSample(Source):
    """Records spread evenly over a source, deterministically; their identities are renumbered from 0.

    Args:
        source: the source.
        count: number of records, 1 or more; all if the source has fewer.

    Raises:
        ValueError: if the source is empty, or `count` is below 1.
    """

    def __init__(self, source: Source, count: int) -> None:
        if count < 1 or not len(source):
            raise ValueError(f"a sample needs at least one record, got {count} of {len(source)}")
        count = min(count, len(source))
        self._source = source
        self._positions = np.arange(count) * len(source) // count
        self._labels = renumbered(source.labels()[self._positions])[1]

    def __len__(self) -> int:
        return len(self._positions)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns the new labels, (n,)."""
        return self._labels

    def _record(self, position: int) -> Record:
        record = self._source[int(self._positions[position])]
        return Record(record.image, int(self._labels[position]), record.name)
