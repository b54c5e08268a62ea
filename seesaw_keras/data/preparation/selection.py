"""Assignment of a data set's images to training, holdout or exclusion: arrays in, arrays out, no files.

>>> from seesaw_keras.data.preparation.selection import Assignment, mark_duplicates, mark_few_images
>>> assignments = np.full(4, Assignment.TRAIN)
>>> mark_duplicates(assignments, np.array([b"a", b"b", b"b", b"c"]))
array([0, 1, 1, 3])
>>> mark_few_images(assignments, labels=np.array([0, 0, 1, 1]), min_images=2)
>>> [Assignment(assignment).name for assignment in assignments]
['TRAIN', 'TRAIN', 'DUPLICATE', 'FEW_IMAGES']

The steps run in the order in which the functions are defined here; each changes only images still marked
for training.
"""

import hashlib
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["Assignment", "mark_duplicates", "mark_few_images", "mark_holdout", "mark_identities", "renumbered"]

Assignments = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int64]


class Assignment(IntEnum):
    """Assignment of an image, or the reason why it is left out."""

    TRAIN = 0
    HOLDOUT = 1
    UNDECODABLE = 2
    DUPLICATE = 3
    FEW_IMAGES = 4
    NEAR = 5


def mark_duplicates(assignments: Assignments, digests: npt.NDArray[np.bytes_]) -> Integers:
    """Marks images that are identical to an earlier one, even under another identity; the first one is kept.

    Args:
        assignments: (n,), changed in place; only images marked for training are compared.
        digests: (n,) the SHA-256 of each image.

    Returns:
        (n,) the position of the first identical image; for images that are not compared, their own position.
    """
    firsts = np.arange(len(assignments))
    used = np.flatnonzero(assignments == Assignment.TRAIN)
    _, first, inverse = np.unique(digests[used], return_index=True, return_inverse=True)
    firsts[used] = used[first[inverse]]
    assignments[firsts != np.arange(len(assignments))] = Assignment.DUPLICATE
    return firsts


def mark_few_images(assignments: Assignments, labels: Integers, min_images: int) -> None:
    """Marks identities with fewer than `min_images` images left; changes `assignments` (n,) in place."""
    present, counts = np.unique(labels[assignments == Assignment.TRAIN], return_counts=True)
    mark_identities(assignments, labels, present[counts < min_images], Assignment.FEW_IMAGES)


def mark_identities(assignments: Assignments, labels: Integers, identities: Integers, assignment: Assignment) -> None:
    """Sets the assignment of those images of the given identities that are still marked for training."""
    assignments[(assignments == Assignment.TRAIN) & np.isin(labels, identities)] = assignment


def mark_holdout(assignments: Assignments, labels: Integers, firsts: Integers, count: int, seed: int) -> None:
    """Chooses the identities to hold out, the same ones on every machine and with every version of NumPy.

    An identity that shares an image with another one is not chosen: the two may be the same person, who would then be
    seen in training.

    Args:
        assignments: (n,), changed in place.
        labels: (n,).
        firsts: (n,) from `mark_duplicates`.
        count: number of identities.
        seed: seed of the choice.

    Raises:
        ValueError: if there are fewer identities to choose from, or none would be left to train on.
    """
    present = np.unique(labels[assignments == Assignment.TRAIN])
    shared = np.flatnonzero(labels != labels[firsts])
    eligible = np.setdiff1d(present, np.concatenate([labels[shared], labels[firsts[shared]]]))
    if count > len(eligible) or count >= len(present) > 0:
        raise ValueError(
            f"cannot hold out {count} identities: {len(present)} are left, {len(eligible)} of which share no image "
            f"with another; hold out fewer"
        )
    chosen = sorted(eligible.tolist(), key=lambda label: hashlib.sha256(f"{seed}/{label}".encode()).digest())[:count]
    mark_identities(assignments, labels, np.array(chosen, np.int64), Assignment.HOLDOUT)


def renumbered(labels: Integers) -> tuple[Integers, Integers]:
    """Renumbers identities from 0 without gaps, keeping their order.

    Returns:
        (k,) the old label of each new one, and (n,) the new labels.
    """
    old, new = np.unique(labels, return_inverse=True)
    return old, new
