"""Plans tensor offsets offline and stores them in the model where this beats TFLite Micro's own plan.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.offsets import store_offsets
>>> store_offsets(flatbuffer.read("shuffle_hard.tflite"))  # doctest: +SKIP
832000

TFLite Micro reads offsets from the metadata "OfflineMemoryAllocation" (see its docs/memory_management.md): int32 values
for a version, the number of subgraphs, the number of tensors, and one offset per tensor, -1 for none. It places
everything else, such as scratch buffers, around them. Other runtimes ignore it. After adding or removing tensors this
metadata must be removed, or TFLite Micro rejects the model.
"""

from collections.abc import Sequence
from random import Random

import numpy as np

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.passes.tiling.memory import Buffer, aligned, buffers, by_size, height, peak_live_bytes, place
from seesaw_keras.tflite.runtimes import OFFSETS

__all__ = ["find_offsets", "store_offsets"]

_VERSION, _UNPLANNED = 1, -1
_CEILINGS = (1.0, 1.02, 1.04, 1.06, 1.08)  # relative to the peak of live bytes
_ROUNDS = 120  # per ceiling
_FLIP_PROBABILITY = 0.3  # probability that the highest buffer is placed from the other side


def store_offsets(model: Model) -> int:
    """Plans an offset for each tensor and stores them if this takes less memory than TFLite Micro's own plan.

    Args:
        model: model with one subgraph; its metadata is modified in place.

    Returns:
        Planned bytes.
    """
    model.metadata.pop(OFFSETS, None)
    needed = buffers(model.main)
    default_size = height(needed, place(needed, by_size(needed)))
    found = find_offsets(needed)
    if len(model.subgraphs) > 1 or height(needed, found) >= default_size:
        return default_size
    places = {buffer.tensor: offset for buffer, offset in zip(needed, found, strict=True)}
    offsets = [places.get(tensor, _UNPLANNED) for tensor in model.main.tensors]
    entries = [_VERSION, len(model.subgraphs), len(offsets), *offsets]
    model.metadata[OFFSETS] = np.array(entries, "<i4").tobytes()
    return height(needed, found)


def find_offsets(needed: Sequence[Buffer]) -> list[int]:
    """Returns an offset for each buffer so that simultaneously live buffers do not overlap.

    Tries placement orders below increasing ceilings, starting from the peak of live bytes: the buffers that ended
    highest come first in the next order, placed from the bottom or from the ceiling.
    """
    least = peak_live_bytes(needed)
    order = by_size(needed)
    best = place(needed, order)
    random = Random(0)
    for more in _CEILINGS:
        ceiling = aligned(int(least * more))
        order, top_down = by_size(needed), set[int]()
        for _ in range(_ROUNDS):
            if height(needed, best) <= ceiling:
                return best
            found = place(needed, order, ceiling, top_down)
            best = min(best, found, key=lambda offsets: height(needed, offsets))
            top = height(needed, found)
            highest = [n for n in order if found[n] + needed[n].size == top]
            if random.random() < _FLIP_PROBABILITY:
                top_down ^= {highest[0]}
            order = [*highest, *(n for n in order if n not in highest)]
    return best
