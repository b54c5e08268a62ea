"""A place in the arena for each tensor, stored in the model, where TFLite Micro's own plan would leave gaps.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.offsets import store_offsets
>>> store_offsets(flatbuffer.read("shuffle_hard.tflite"))  # doctest: +SKIP
832000

TFLite Micro takes offsets from the metadata "OfflineMemoryAllocation" (its docs/memory_management.md):
int32 for a version, the number of subgraphs, that of tensors, and an offset a tensor, -1 for none. It places what else
it needs, such as scratch buffers, around them. Other runtimes do not look at it. Whoever adds or drops tensors of a
model takes it out, or TFLite Micro refuses the model.
"""

from collections.abc import Sequence
from random import Random

import numpy as np

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.passes.tiling.memory import Buffer, aligned, buffers, by_size, height, most_alive, place
from seesaw_keras.tflite.runtimes import OFFSETS

__all__ = ["find_offsets", "store_offsets"]

_VERSION, _ANYWHERE = 1, -1
_CEILINGS = (1.0, 1.02, 1.04, 1.06, 1.08)  # times what lives at once at most
_ROUNDS = 120  # of each
_TURNED = 0.3  # how often the highest is placed from the other side


def store_offsets(model: Model) -> int:
    """Finds a place for each tensor and stores it, if that takes less than what TFLite Micro would plan.

    Args:
        model: of one subgraph; its metadata are changed in place.

    Returns:
        The bytes that are planned.
    """
    model.metadata.pop(OFFSETS, None)
    needed = buffers(model.main)
    usual = height(needed, place(needed, by_size(needed)))
    found = find_offsets(needed)
    if len(model.subgraphs) > 1 or height(needed, found) >= usual:
        return usual
    places = {buffer.tensor: offset for buffer, offset in zip(needed, found, strict=True)}
    offsets = [places.get(tensor, _ANYWHERE) for tensor in model.main.tensors]
    entries = [_VERSION, len(model.subgraphs), len(offsets), *offsets]
    model.metadata[OFFSETS] = np.array(entries, "<i4").tobytes()
    return height(needed, found)


def find_offsets(needed: Sequence[Buffer]) -> list[int]:
    """Returns an offset for each buffer such that those that live at the same time are apart.

    Below one ceiling after the other, from the most bytes that live at once on, one order after the other is tried:
    what ended highest comes first in the next one, from the floor or from the ceiling.
    """
    least = most_alive(needed)
    order = by_size(needed)
    best = place(needed, order)
    random = Random(0)
    for more in _CEILINGS:
        ceiling = aligned(int(least * more))
        order, hanging = by_size(needed), set[int]()
        for _ in range(_ROUNDS):
            if height(needed, best) <= ceiling:
                return best
            found = place(needed, order, ceiling, hanging)
            best = min(best, found, key=lambda offsets: height(needed, offsets))
            top = height(needed, found)
            highest = [n for n in order if found[n] + needed[n].size == top]
            if random.random() < _TURNED:
                hanging ^= {highest[0]}
            order = [*highest, *(n for n in order if n not in highest)]
    return best
