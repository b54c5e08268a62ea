"""Fits a model into an arena.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.fit import fit
>>> fit(flatbuffer.read("shuffle_hard.tflite"), 448 << 10)  # doctest: +SKIP
"""

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.passes.deduplicate import deduplicate
from seesaw_keras.tflite.passes.tiling.memory import aligned, persistent_bytes
from seesaw_keras.tflite.passes.tiling.offsets import store_offsets
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.plan import Plan, copied, find_plans
from seesaw_keras.tflite.passes.tiling.tiles import tile
from seesaw_keras.tflite.runtimes import OFFSETS

__all__ = ["fit"]

_GAP_OVERHEAD = 1.05  # empirical overhead of gaps between tensors
_MAX_LIKELY_PLANS = 3  # number of plans with few operators to try


def fit(model: Model, arena: int | None = None) -> int:
    """Tiles and orders a model and plans its tensors' offsets so that it fits into TFLite Micro's arena.

    Args:
        model: its main subgraph and its metadata are modified in place; unchanged if this raises.
        arena: arena size in bytes on x86-64, where pointers are larger than on a microcontroller; None for the smallest
            possible.

    Returns:
        Number of tensors that are computed in parts.

    Raises:
        ValueError: no plan fits; the message gives the closest size.
    """
    graph, before = model.main, copied(model.main)
    plans = find_plans(graph)
    # First the plans with the fewest operators that leave room for gaps, then the potentially smallest ones.
    likely = [plan for plan in plans if arena is not None and plan.live * _GAP_OVERHEAD + plan.persistent <= arena]
    smallest: Plan | None = None
    planned, persistent = 0, 0
    for plan in [*likely[:_MAX_LIKELY_PLANS], *sorted(plans, key=_lower_bound)]:
        if smallest is not None and _lower_bound(plan) >= planned + persistent:
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
        f"the model does not fit into an arena of {arena:,} bytes: the smallest plan takes {planned + persistent:,} "
        f"bytes, {planned:,} planned and {persistent:,} persistent"
    )


def _lower_bound(plan: Plan) -> int:
    """Arena size of a plan in bytes, without gaps between tensors."""
    return plan.live + plan.persistent


def _apply(model: Model, plan: Plan) -> tuple[int, int]:
    """Applies a plan; returns planned and persistent bytes."""
    tile(model.main, plan.layout)
    deduplicate(model.main)
    order_operators(model.main)
    return store_offsets(model), aligned(persistent_bytes(model.main))
