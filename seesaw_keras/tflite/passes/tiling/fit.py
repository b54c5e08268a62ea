"""A model that fits an arena.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.fit import fit
>>> fit(flatbuffer.read("shuffle_hard.tflite"), 448 << 10)  # doctest: +SKIP
"""

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.passes.remove_dead_ops import tidy
from seesaw_keras.tflite.passes.tiling.memory import aligned, persistent_bytes
from seesaw_keras.tflite.passes.tiling.offsets import store_offsets
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.plan import Plan, copied, find_plans
from seesaw_keras.tflite.passes.tiling.tiles import tile
from seesaw_keras.tflite.runtimes import OFFSETS

__all__ = ["fit"]

_GAPS = 1.05  # what gaps between tensors take, in experience
_TRIED = 3  # plans of few operators


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
    # The fewest operators first, of those that leave room for gaps; then what may be smallest.
    likely = [plan for plan in plans if arena is not None and plan.live * _GAPS + plan.persistent <= arena][:_TRIED]
    smallest: Plan | None = None
    planned, persistent = 0, 0
    for plan in [*likely, *sorted(plans, key=_least)]:
        if smallest is not None and _least(plan) >= planned + persistent:
            continue
        size = _apply(model, plan)
        if arena is not None and sum(size) <= arena:
            return len(plan.layout)
        if smallest is None or sum(size) < planned + persistent:
            smallest, (planned, persistent) = plan, size
        graph.tensors[:], graph.operators[:] = before.tensors, before.operators
        model.metadata.pop(OFFSETS, None)
    assert smallest is not None
    if arena is None:
        _apply(model, smallest)
        return len(smallest.layout)
    raise ValueError(
        f"an arena of {arena:,} bytes cannot be reached: {planned + persistent:,} bytes are, {planned:,} of them "
        f"planned and {persistent:,} persistent"
    )


def _least(plan: Plan) -> int:
    """The bytes that a plan takes where no gap is left between tensors."""
    return plan.live + plan.persistent


def _apply(model: Model, plan: Plan) -> tuple[int, int]:
    """Follows a plan; returns the bytes that are planned, and those that persist."""
    tile(model.main, plan.layout)
    tidy(model.main)
    order_operators(model.main)
    return store_offsets(model), aligned(persistent_bytes(model.main))
