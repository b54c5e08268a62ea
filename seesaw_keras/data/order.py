"""Composition of batches and random numbers of their images, as pure functions of (seed, epoch, step).

>>> from seesaw_keras.data.order import BatchOrder
>>> order = BatchOrder([0, 0, 1, 1, 2, 2], batch_size=4, seed=7, drop_remainder=False)
>>> order.steps_per_epoch
2
>>> sorted([*order.batch(0, 0).tolist(), *order.batch(0, 1).tolist()])
[0, 1, 2, 3, 4, 5]

All numbers come from Philox, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): the key is (seed, epoch), the counter selects the numbers, so that no earlier numbers have to be drawn. NumPy
guarantees the streams of bit generators and of `RandomState` for all its versions (NEP 19), but not of `Generator`.
"""

import threading
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["BatchOrder", "random_permutation", "random_uniforms", "random_words"]

# The highest word of the counter: the purpose of the numbers.
_PERMUTATION, _ROUND, _IMAGE, _UNIFORMS, _COPIES, _CHOICE = range(6)
_FRACTION_BITS = 20  # fixed-point precision of a weight

Positions = npt.NDArray[np.int64]


def _philox(seed: int, epoch: int, purpose: int, *, low: int = 0, high: int = 0) -> np.random.Philox:
    return np.random.Philox(
        key=np.array([seed, epoch], np.uint64), counter=np.array([low, high, 0, purpose], np.uint64)
    )


def _permutation(generator: np.random.Philox, count: int) -> Positions:
    return np.random.RandomState(generator).permutation(count)


def _fixed_point(weights: npt.NDArray[np.float64]) -> Positions:
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights < 1 << 20).all()):
        raise ValueError("weights of data sets must be 0 or more, and below 2 ** 20")
    return np.rint(weights * (1 << _FRACTION_BITS)).astype(np.int64)


def random_permutation(seed: int, stream: int, count: int) -> Positions:
    """Returns a permutation of the numbers 0 to `count` - 1 that depends only on the arguments."""
    return _permutation(_philox(seed, stream, _CHOICE), count)


def random_words(seed: int, epoch: int, first: int, count: int) -> npt.NDArray[np.uint64]:
    """Draws the random numbers of consecutive images of an epoch.

    Args:
        seed: 0 or more, below 2 ** 64.
        epoch: 0 or more.
        first: index of the first image in the epoch: step * batch_size + its index in the global batch.
        count: the number of images.

    Returns:
        uint64 (count, 4), uniform; row i depends only on (seed, epoch, first + i).
    """
    return _philox(seed, epoch, _IMAGE, low=first).random_raw(4 * count).reshape(count, 4)


def random_uniforms(seed: int, stream: int, index: int, count: int) -> npt.NDArray[np.float64]:
    """Draws uniform numbers in [0, 1) that depend only on the arguments.

    Args:
        seed: 0 or more, below 2 ** 64.
        stream: same range, such as an epoch or the index of a view.
        index: same range, such as an image's index in the epoch.
        count: number of values.

    Returns:
        float64 (count,); a larger `count` only appends values.
    """
    words = _philox(seed, stream, _UNIFORMS, high=index).random_raw(count)
    return (words >> np.uint64(11)) * 2.0**-53


class BatchOrder:
    """The positions of the images of every global batch.

    Without `images_per_identity` an epoch is a permutation of all images, split into batches. With it, a batch has K
    images each of batch_size / K different identities. An epoch then consists of rounds: a round is a permutation of
    the identities, split into batches, and leaves out those that do not fill a batch. In round r an identity shows the
    images r * K to r * K + K - 1 of its own permutation, cyclically, so that one with fewer than K images repeats them
    in a batch. Source of the scheme: Hermans et al., "In defense of the triplet loss", arXiv 1703.07737, section 2.

    Attributes:
        steps_per_epoch: batches per epoch; with `images_per_identity` as many as the images fill, at least one.

    Args:
        labels: the identity of every image, (n,).
        batch_size: number of images in a global batch.
        seed: 0 or more, below 2 ** 64.
        images_per_identity: K, a divisor of `batch_size`, or None.
        drop_remainder: whether images that do not fill the last batch are left out of the epoch.
        weights: (n,) how many times an image is shown per epoch on average, 0 or more: 0.5 for every other epoch. The
            integer part is shown in every epoch, the fraction by systematic sampling of a random order. None for once.

    Raises:
        ValueError: if an argument is out of range, or there are too few images or identities to fill a batch.
    """

    def __init__(
        self,
        labels: npt.ArrayLike,
        *,
        batch_size: int,
        seed: int,
        images_per_identity: int | None = None,
        drop_remainder: bool = True,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed must be 0 or more and below 2 ** 64, got {seed}")
        self._labels = np.asarray(labels, np.int64)
        self._batch_size = batch_size
        self._seed = seed
        self._per_identity = images_per_identity
        self._repeats = None if weights is None else _fixed_point(weights)
        if self._repeats is not None and images_per_identity is not None:
            raise ValueError("weights of data sets cannot be combined with images_per_identity")
        images = len(self._labels) if self._repeats is None else int(self._repeats.sum()) >> _FRACTION_BITS
        if images_per_identity is not None:
            self._init_identities(images_per_identity)
            self.steps_per_epoch = max(images // batch_size, 1)
        else:
            self.steps_per_epoch = images // batch_size if drop_remainder else -(-images // batch_size)
        if not self.steps_per_epoch:
            raise ValueError(f"{images} images do not fill a batch of {batch_size}; choose a smaller batch_size")
        self._lock = threading.Lock()
        # Threads that prefetch across the end of an epoch or round need two of each.
        self._epoch = lru_cache(maxsize=2)(self._epoch_order)
        self._round = lru_cache(maxsize=2)(self._round_order)

    def _init_identities(self, per_identity: int) -> None:
        if per_identity < 1 or self._batch_size % per_identity:
            raise ValueError(
                f"images_per_identity must divide batch_size, got {per_identity} images of each identity in a batch "
                f"of {self._batch_size}"
            )
        _, self._counts = np.unique(self._labels, return_counts=True)
        self._starts = np.cumsum(self._counts) - self._counts
        needed = self._batch_size // per_identity
        if needed > len(self._counts):
            raise ValueError(
                f"a batch of {self._batch_size} with {per_identity} images of each identity needs {needed} identities, "
                f"but there are {len(self._counts)}; choose a smaller batch_size or more images_per_identity"
            )

    def _epoch_order(self, epoch: int) -> Positions:
        """Returns the epoch's permutation of the images, grouped by identity if batches are."""
        order = _permutation(_philox(self._seed, epoch, _PERMUTATION), len(self._labels))
        if self._repeats is not None:
            # Integers, so that the length of an epoch does not depend on the order of summation.
            turns = np.diff(np.cumsum(self._repeats[order]) >> _FRACTION_BITS, prepend=0)
            shown = np.repeat(order, turns)
            return shown[_permutation(_philox(self._seed, epoch, _COPIES), len(shown))]
        if self._per_identity is None:
            return order
        return order[np.argsort(self._labels[order], kind="stable")]

    def _round_order(self, epoch: int, number: int) -> Positions:
        return _permutation(_philox(self._seed, epoch, _ROUND, high=number), len(self._counts))

    def batch(self, epoch: int, step: int) -> Positions:
        """Returns the positions of a global batch's images, (batch_size,), fewer in an incomplete last batch.

        Args:
            epoch: 0 or more.
            step: 0 or more, below `steps_per_epoch`.

        Raises:
            ValueError: if the epoch or the step is out of range.
        """
        self.check(epoch, step)
        with self._lock:  # one thread computes a permutation while the others wait
            order = self._epoch(epoch)
            if self._per_identity is None:
                return order[step * self._batch_size : (step + 1) * self._batch_size]
            identities = self._batch_size // self._per_identity
            number, index = divmod(step, len(self._counts) // identities)
            chosen = self._round(epoch, number)[index * identities : (index + 1) * identities, None]
        turns = number * self._per_identity + np.arange(self._per_identity)
        return order[self._starts[chosen] + turns % self._counts[chosen]].ravel()

    def check(self, epoch: int, step: int) -> None:
        """Raises a ValueError if `epoch` or `step` is out of range."""
        if epoch < 0 or not 0 <= step < self.steps_per_epoch:
            raise ValueError(
                f"there is no step {step} of epoch {epoch}; both count from 0, and an epoch has {self.steps_per_epoch} "
                f"steps"
            )
