"""Random numbers that are reproducible on every machine and with every version of Python and NumPy.

>>> from seesaw_keras.data.synthetic.stable_rng import StableRng
>>> StableRng(0, 1, 2).uniform(0.0, 1.0) == StableRng(0, 1, 2).uniform(0.0, 1.0)
True
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["StableRng"]

Choice = TypeVar("Choice")

WORD_LIMIT = 1 << 32  # SeedSequence splits larger numbers into words, so two different keys could become equal
BATCH = 128


class StableRng:
    """A stream of random numbers that depends only on its key.

    NumPy guarantees the bits of `PCG64` and `SeedSequence` across versions, but not the output of `Generator`
    (NEP 19); so only the bits are used, and everything else is exact arithmetic on them.
    """

    def __init__(self, *key: int) -> None:
        """Starts the stream.

        Args:
            *key: integers in [0, 2**32). Different keys give independent streams, including (1, 2) and (1, 2, 0).

        Raises:
            ValueError: if a number is out of that range.
        """
        for word in key:
            if not 0 <= word < WORD_LIMIT:
                raise ValueError(f"a seed, identity or image number must lie in [0, 2**32), got {word}")
        # SeedSequence pads its entropy with zeros: without the length first, (1, 2) would equal (1, 2, 0).
        self._bits = np.random.PCG64(np.random.SeedSequence((len(key), *key)))
        self._ready: list[float] = []

    def _refill(self) -> list[float]:
        # 53 bits, the precision of a float, so that the product is exact.
        self._ready = ((self._bits.random_raw(BATCH) >> np.uint64(11)) * 2.0**-53).tolist()
        return self._ready

    def uniform(self, low: float, high: float) -> float:
        """Returns a number in [low, high)."""
        ready = self._ready or self._refill()
        return low + (high - low) * ready.pop()

    def normal(self, mean: float, deviation: float) -> float:
        """Returns an approximately normal number around `mean`, at most 3.46 deviations from it.

        The sum of four uniform numbers: close to a Gaussian but without its tails, which would give implausible faces,
        and without logarithms and cosines, whose last bit depends on the machine.
        """
        ready = self._ready if len(self._ready) >= 4 else self._refill()
        total = ready.pop() + ready.pop() + ready.pop() + ready.pop()
        return mean + deviation * (total - 2.0) * 3.0**0.5

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self.uniform(0.0, 1.0) < probability

    def choice(self, options: Sequence[Choice], weights: Sequence[float]) -> Choice:
        """Returns one of the options with probability proportional to its weight; weights need not sum to one."""
        point = self.uniform(0.0, float(sum(weights)))
        for option, weight in zip(options, weights, strict=True):
            point -= weight
            if point < 0:
                return option
        return options[-1]

    def bytes(self, count: int) -> np.ndarray:
        """Returns `count` independent uniform bytes as a uint8 array."""
        words = self._bits.random_raw((count + 7) // 8)
        return words.astype("<u8", copy=False).view(np.uint8)[:count]
