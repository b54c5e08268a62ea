"""Which images of a data set go where: arrays in, arrays out, no files.

>>> from seesaw_keras.data.preparation.selection import Fate, mark_duplicates, mark_few
>>> fates = np.full(4, Fate.TRAIN)
>>> mark_duplicates(fates, np.array([b"a", b"b", b"b", b"c"]))
array([0, 1, 1, 3])
>>> mark_few(fates, labels=np.array([0, 0, 1, 1]), min_images=2)
>>> [Fate(fate).name for fate in fates]
['TRAIN', 'TRAIN', 'DUPLICATE', 'FEW_IMAGES']

The steps are taken in the order in which the functions stand here; each changes the fate of images that were to be
trained on so far.
"""

import hashlib
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["Fate", "mark_duplicates", "mark_few", "mark_holdout", "mark_identities", "renumbered"]

Fates = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int64]


class Fate(IntEnum):
    """What becomes of an image."""

    TRAIN = 0
    HOLDOUT = 1
    UNDECODABLE = 2
    DUPLICATE = 3
    FEW_IMAGES = 4
    NEAR = 5


def mark_duplicates(fates: Fates, digests: npt.NDArray[np.bytes_]) -> Integers:
    """Marks images that are equal to an earlier one, whoever they are said to show: the first of them stays.

    Args:
        fates: (n,), changed in place; only images to train on are compared.
        digests: (n,) the SHA-256 of each image.

    Returns:
        (n,) the position of the first image equal to each; of images that are not compared, their own.
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
    """Gives the images of some identities, as far as they were to be trained on, another fate."""
    fates[(fates == Fate.TRAIN) & np.isin(labels, identities)] = fate


def mark_holdout(fates: Fates, labels: Integers, firsts: Integers, count: int, seed: int) -> None:
    """Chooses the identities to hold out, the same ones on every machine and under every version of NumPy.

    An identity that shares an image with another one is not chosen: the two may be one person, who would be seen in
    training.

    Args:
        fates: (n,), changed in place.
        labels: (n,).
        firsts: (n,) from `mark_duplicates`.
        count: how many identities.
        seed: another one gives another choice.

    Raises:
        ValueError: if there are not that many to choose from, or none would be left to train on.
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
    """Numbers identities from 0 without gaps, in their order.

    Returns:
        (k,) the old label of each new one, and (n,) the new labels.
    """
    old, new = np.unique(labels, return_inverse=True)
    return old, new
