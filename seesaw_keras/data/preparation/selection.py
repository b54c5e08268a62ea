"""Assignment of a data set's images to training, holdout or exclusion: arrays in, arrays out, no files.

>>> from seesaw_keras.data.preparation.selection import Fate, mark_duplicates, mark_few
>>> fates = np.full(4, Fate.TRAIN)
>>> mark_duplicates(fates, np.array([b"a", b"b", b"b", b"c"]))
array([0, 1, 1, 3])
>>> mark_few(fates, labels=np.array([0, 0, 1, 1]), min_images=2)
>>> [Fate(fate).name for fate in fates]
['TRAIN', 'TRAIN', 'DUPLICATE', 'FEW_IMAGES']

The steps run in the order in which the functions are defined here; each changes only the fate of images that are still
marked for training.
"""

import hashlib
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["Fate", "mark_duplicates", "mark_few", "mark_holdout", "mark_identities", "renumbered"]

Fates = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int64]


class Fate(IntEnum):
    """Assignment of an image, or the reason why it is left out."""

    TRAIN = 0
    HOLDOUT = 1
    UNDECODABLE = 2
    DUPLICATE = 3
    FEW_IMAGES = 4
    NEAR = 5


def mark_duplicates(fates: Fates, digests: npt.NDArray[np.bytes_]) -> Integers:
    """Marks images that are identical to an earlier one, even under another identity; the first one is kept.

    Args:
        fates: (n,), changed in place; only images marked for training are compared.
        digests: (n,) the SHA-256 of each image.

    Returns:
        (n,) the position of the first identical image; for images that are not compared, their own position.
    """
    firsts = np.arange(len(fates))
    used = np.flatnonzero(fates == Fate.TRAIN)
    _, first, inverse = np.unique(digests[used], return_index=True, return_inverse=True)
    firsts[used] = used[first[inverse]]
    fates[firsts != np.arange(len(fates))] = Fate.DUPLICATE
    return firsts


def mark_few(fates: Fates, labels: Integers, min_images: int) -> None:
    """Marks identities with fewer than `min_images` images left; `fates` (n,) is changed in place, `labels` is (n,)."""
    present, counts = np.unique(labels[fates == Fate.TRAIN], return_counts=True)
    mark_identities(fates, labels, present[counts < min_images], Fate.FEW_IMAGES)


def mark_identities(fates: Fates, labels: Integers, identities: Integers, fate: Fate) -> None:
    """Sets the fate of those images of the given identities that are still marked for training."""
    fates[(fates == Fate.TRAIN) & np.isin(labels, identities)] = fate


def mark_holdout(fates: Fates, labels: Integers, firsts: Integers, count: int, seed: int) -> None:
    """Chooses the identities to hold out, the same ones on every machine and with every version of NumPy.

    An identity that shares an image with another one is not chosen: the two may be the same person, who would then be
    seen in training.

    Args:
        fates: (n,), changed in place.
        labels: (n,).
        firsts: (n,) from `mark_duplicates`.
        count: number of identities.
        seed: seed of the choice.

    Raises:
        ValueError: if there are fewer identities to choose from, or none would be left to train on.
    """
    present = np.unique(labels[fates == Fate.TRAIN])
    shared = np.flatnonzero(labels != labels[firsts])
    eligible = np.setdiff1d(present, np.concatenate([labels[shared], labels[firsts[shared]]]))
    if count > len(eligible) or count >= len(present) > 0:
        raise ValueError(
            f"{count} identities to hold out of the {len(present)} that are left, {len(eligible)} of which share no "
            f"image with another; hold out fewer"
        )
    chosen = sorted(eligible.tolist(), key=lambda label: hashlib.sha256(f"{seed}/{label}".encode()).digest())[:count]
    mark_identities(fates, labels, np.array(chosen, np.int64), Fate.HOLDOUT)


def renumbered(labels: Integers) -> tuple[Integers, Integers]:
    """Renumbers identities from 0 without gaps, keeping their order.

    Returns:
        (k,) the old label of each new one, and (n,) the new labels.
    """
    old, new = np.unique(labels, return_inverse=True)
    return old, new
