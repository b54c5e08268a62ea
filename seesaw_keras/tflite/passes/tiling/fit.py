"""A model that fits an arena.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.fit import fit
>>> fit(flatbuffer.read("shuffle_hard.tflite"), 448 << 10)  # doctest: +SKIP
"""

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.passes.tidy import tidy
from seesaw_keras.tflite.passes.tiling.memory import aligned, persistent_bytes
from seesaw_keras.tflite.passes.tiling.offsets import store_offsets
from seesaw_keras.tflite.passes.tiling.order import order_operators
from seesaw_keras.tflite.passes.tiling.plan import Plan, copied, find_plans
from seesaw_keras.tflite.passes.tiling.tiles import tile
from seesaw_keras.tflite.runtimes import OFFSETS

__all__ = ["fit"]

_GAPS = 1.05  # what gaps between tensors take, in experience
_TRIED = 3  # plans


def fit(model: Model, arena: int | None = None) -> int:
    """Tiles and orders a model, and places its tensors, such that TFLite Micro needs no larger arena.

    Args:
        model: its main subgraph and its metadata are changed in place, and left as they are when this raises.
        arena: bytes, of x86-64, where pointers are larger than on a microcontroller; None for as few as can be.

    Returns:
        How many tensors are computed in parts.

    Raises:
        ValueError: no plan fits; the message says how near one comes.
    """
    graph, before = model.main, copied(model.main)
    plans = find_plans(graph)
    smallest = sorted(plans, key=lambda plan: plan.live + plan.persistent)[:_TRIED]
    # The fewest operators first, of those that leave room for gaps.
    likely = [plan for plan in plans if arena is not None and plan.live * _GAPS + plan.persistent <= arena][:_TRIED]
    sizes: list[tuple[int, int]] = []
    for plan in [*likely, *smallest]:
        sizes.append(_apply(model, plan))
        if arena is not None and sum(sizes[-1]) <= arena:
            return len(plan.layout)
        graph.tensors[:], graph.operators[:] = before.tensors, before.operators
        model.metadata.pop(OFFSETS, None)
    planned, persistent = min(sizes, key=sum)
    if arena is None:
        plan = smallest[sizes.index((planned, persistent))]
        _apply(model, plan)
        return len(plan.layout)
    raise ValueError(
        f"an arena of {arena:,} bytes cannot be reached: {planned + persistent:,} bytes are, {planned:,} of them "
        f"planned and {persistent:,} persistent"
    )


def _apply(model: Model, plan: Plan) -> tuple[int, int]:
    """Follows a plan; returns the bytes that are planned, and those that persist."""
    tile(model.main, plan.layout)
    tidy(model.main)
    order_operators(model.main)
    return store_offsets(model), aligned(persistent_bytes(model.main))
