"""`Record` and `Source`: the interface of all sources of face images.

>>> from seesaw_keras.data.records import Record, Source
>>> class TwoFaces(Source):
...     def __len__(self):
...         return 2
...     def _record(self, position):
...         return Record(image=b"...", label=position, name=f"two faces[{position}]")
>>> [record.label for record in TwoFaces()]
[0, 1]
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["UNLABELED", "Pairs", "Record", "Source"]

UNLABELED = -1


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded image of one identity.

    Attributes:
        image: the encoded image (JPEG, PNG, ...), bytes unchanged; `decode_image` decodes it.
        label: the identity, 0 or more, or `UNLABELED`.
        name: origin of the image, for error messages: "train.rec[17]", "alice/001.jpg".
    """

    image: bytes
    label: int
    name: str


class Source(ABC):
    """A sequence of records that can be iterated any number of times.

    Subclasses implement `__len__` and `_record`. Any problem with a record raises a ValueError that names the file and
    the record. Sources hold no open files, so they can be shared between threads and passed to processes.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of records."""

    @abstractmethod
    def _record(self, position: int) -> Record:
        """Returns the record at `position`, which is at least 0 and less than `len(self)`."""

    def __getitem__(self, position: int) -> Record:
        index = operator.index(position)
        if not -len(self) <= index < len(self):
            raise IndexError(f"position {index} is out of range for {len(self)} records")
        return self._record(index % len(self))

    def __iter__(self) -> Iterator[Record]:
        return (self._record(position) for position in range(len(self)))

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,), without reading the images where the format allows it."""
        return np.fromiter((record.label for record in self), np.int64, len(self))

    def weights(self) -> npt.NDArray[np.float64] | None:
        """Returns how many times each record is shown per epoch, (n,); None for once."""
        return None


@dataclass(frozen=True)
class Pairs:
    """Pairs of images and whether each shows the same person.

    Attributes:
        names: one name per image, for messages and reports.
        index: int64 (n, 2), the two images of each pair as positions in `names`.
        same: bool (n,), whether the two show the same person.
        folds: int64 (n,), each pair's fold, from 0.
        read: returns the encoded bytes of the image at a position in `names`; raises a ValueError that names the file
            if it cannot be read.
    """

    names: list[str]
    index: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.same)
