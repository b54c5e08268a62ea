"""Synthetic faces as a `Source` of records and as verification pairs.

>>> from seesaw_keras.data.synthetic.source import SyntheticFaces, synthetic_pairs
>>> faces = SyntheticFaces(num_identities=100, images_per_identity=10)
>>> len(faces), faces[17].label, faces[17].name
(1000, 1, 'synthetic-0/1/7.png')
>>> pairs = synthetic_pairs(600)
>>> len(pairs), int(pairs.same.sum())
(600, 300)
"""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.records import Pairs, Record, Source
from seesaw_keras.data.synthetic.drawing.render import check_size, synthetic_face
from seesaw_keras.data.synthetic.drawing.sketch import TEMPLATE_SIZE
from seesaw_keras.data.synthetic.stable_rng import StableRng

__all__ = ["SyntheticFaces", "synthetic_pairs"]

UNSEEN = 1 << 31  # identities from here on are for verification, lower ones for training
FOLDS = 10
PAIRING_STREAM = 3  # first word of the key, as NOISE_STREAM is in render.py
PNG_LEVEL = 1  # noise is nearly incompressible: higher levels take longer and save almost nothing


def _encode(face: np.ndarray) -> bytes:
    """Returns a face as PNG, which is lossless."""
    _, data = cv2.imencode(".png", cv2.cvtColor(face, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL))
    return data.tobytes()


class SyntheticFaces(Source):
    """Images of synthetic identities, ordered by identity; drawn on access.

    Attributes:
        num_identities: number of identities.
        images_per_identity: number of images per identity.
        size: side of the images in pixels.
        seed: seed of the population.
    """

    def __init__(
        self, num_identities: int, images_per_identity: int, *, size: int = TEMPLATE_SIZE, seed: int = 0
    ) -> None:
        """Defines the set; nothing is drawn yet.

        Args:
            num_identities: number of identities, 1 to 2**31.
            images_per_identity: number of images per identity, 1 to 2**32.
            size: side of the images in pixels, 16 to 1024.
            seed: seed of the population, in [0, 2**32): another seed gives other identities.

        Raises:
            ValueError: if a number is out of range.
        """
        if not 1 <= num_identities <= UNSEEN:
            raise ValueError(f"num_identities must lie in 1..2**31, got {num_identities}")
        if not 1 <= images_per_identity <= 1 << 32:
            raise ValueError(f"images_per_identity must lie in 1..2**32, got {images_per_identity}")
        check_size(size)
        StableRng(seed)  # raises if the seed is out of range
        self.num_identities = num_identities
        self.images_per_identity = images_per_identity
        self.size = size
        self.seed = seed

    def __len__(self) -> int:
        return self.num_identities * self.images_per_identity

    def _record(self, position: int) -> Record:
        identity, image = divmod(position, self.images_per_identity)
        name = f"synthetic-{self.seed}/{identity}/{image}.png"
        return Record(_encode(self.array(position)), identity, name)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,), without drawing."""
        return np.repeat(np.arange(self.num_identities), self.images_per_identity)

    def array(self, position: int) -> npt.NDArray[np.uint8]:
        """Returns the image of the record at `position` without encoding it: uint8 RGB (size, size, 3).

        Raises:
            IndexError: if there is no such record.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} is out of range for {len(self)} records")
        identity, image = divmod(position, self.images_per_identity)
        return synthetic_face(identity, image, size=self.size, seed=self.seed)

    def batch(self, positions: Iterable[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Returns the images of several records, uint8 (n, size, size, 3), and their labels, int64 (n,)."""
        chosen = np.fromiter(positions, np.int64)
        images = np.empty((len(chosen), self.size, self.size, 3), np.uint8)
        for image, position in zip(images, chosen, strict=True):
            image[...] = self.array(int(position))
        return images, chosen // self.images_per_identity


def synthetic_pairs(num_pairs: int, *, size: int = TEMPLATE_SIZE, seed: int = 0) -> Pairs:
    """Returns verification pairs of identities that do not occur in `SyntheticFaces` with this seed.

    Half of the pairs show the same person, in two images. There are ten folds of equal size, each with the same-person
    pairs first, and no person is in two folds, as in LFW's protocol.

    Args:
        num_pairs: number of pairs, a multiple of 20, 40 or more.
        size: side of the images in pixels, 16 to 1024.
        seed: seed of the population, in [0, 2**32).

    Returns:
        The pairs; `read` draws an image and encodes it as PNG.

    Raises:
        ValueError: if a number is out of range.
    """
    each, rest = divmod(num_pairs, 2 * FOLDS)
    if rest or each < 2:
        raise ValueError(
            f"num_pairs must be a multiple of {2 * FOLDS}, {4 * FOLDS} or more ({FOLDS} folds with as many "
            f"genuine as impostor pairs), got {num_pairs}"
        )
    check_size(size)
    rng = StableRng(PAIRING_STREAM, seed)
    people = np.arange(FOLDS * each).reshape(FOLDS, each)
    # Two images per person, 2k and 2k + 1. Genuine pairs are the two images of a person; impostor pairs are the first
    # image of a person and the second one of the person some steps later in the fold.
    steps = [int(rng.uniform(1, each)) for _ in range(FOLDS)]
    others = np.stack([np.roll(fold, -step) for fold, step in zip(people, steps, strict=True)])
    second = np.concatenate((people, others), axis=1)
    first = np.concatenate((people, people), axis=1)
    same = np.zeros(first.shape, np.bool_)
    same[:, :each] = True

    def read(position: int) -> bytes:
        person, image = divmod(position, 2)
        return _encode(synthetic_face(UNSEEN + person, image, size=size, seed=seed))

    return Pairs(
        names=[f"synthetic-{seed}/{UNSEEN + person}/{image}.png" for person in range(people.size) for image in (0, 1)],
        index=np.stack((2 * first.ravel(), 2 * second.ravel() + 1), axis=1),
        same=same.ravel(),
        folds=np.repeat(np.arange(FOLDS), 2 * each),
        read=read,
    )
