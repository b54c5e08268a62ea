"""Chooses the smallest set of tiles that fits a given arena.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.plan import find_plans
>>> [plan.live for plan in find_plans(flatbuffer.read("shuffle_hard.tflite").main)]  # doctest: +SKIP

Each unit (`units`) has a list of costs: peak memory while it is computed versus additional persistent memory for the
operators that this takes. Units are computed one after the other, so the peak of the graph is the maximum over units. A
plan has a ceiling, and uses the cheapest option of each unit that stays below it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seesaw_keras.tflite.analysis.costs import live_bytes
from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.tiling.memory import persistent_bytes
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.tiles import Layout, tile
from seesaw_keras.tflite.passes.tiling.units import Unit, channel_units, strip_units

__all__ = ["Plan", "copied", "find_plans"]

_MAX_TRAILING = 3  # operators after a unit that may belong to its window
_MAX_REORDER_GAIN = 1.4  # reordering reduces the peak by less than this factor


class Plan(NamedTuple):
    """Tiling of a graph.

    Attributes:
        live: peak of live bytes over all units.
        persistent: persistent bytes; see `memory.persistent_bytes`.
        layout: layout of the tiled tensors.
    """

    live: int
    persistent: int
    layout: Layout


class _LayoutCost(NamedTuple):
    """Cost of a unit's layout: additional persistent bytes, and peak memory during the unit."""

    persistent: int
    live: int
    layout: Layout


def copied(graph: Subgraph) -> Subgraph:
    """Returns a shallow copy of a graph: new lists of the same operators and tensors."""
    return Subgraph(list(graph.tensors), list(graph.inputs), list(graph.outputs), list(graph.operators), graph.name)


def find_plans(graph: Subgraph) -> list[Plan]:
    """Returns plans from no tiling to the lowest ceiling, in order of decreasing peak memory.

    Args:
        graph: not modified.
    """
    graph_index = GraphIndex(graph)
    channels = _innermost_first(graph, channel_units(graph_index))
    found = [Plan(max(live_bytes(graph)), persistent_bytes(graph), {})]
    for strips in (None, *strip_units(graph_index, channels)):
        units = [unit for unit in channels if strips is None or not unit.tensors <= strips.tensors]
        found += _plans(graph, [*([strips] if strips else []), *units])
    kept: list[Plan] = []
    for plan in sorted(found, key=lambda plan: plan[:2]):
        if not kept or plan.persistent < kept[-1].persistent:
            kept.append(plan)
    return kept[::-1]


def _plans(graph: Subgraph, units: Sequence[Unit]) -> list[Plan]:
    """The plans that tile these units; where units share a tensor, the earlier unit takes precedence."""
    owned = {tensor for unit in units for tensor in unit.tensors}
    rest = [live for live, o in zip(live_bytes(graph), graph.operators, strict=True) if owned.isdisjoint(_tensors(o))]
    ceiling = max(rest, default=0)
    before: set[Tensor] = set()
    lists = []
    for unit in units:
        lists.append(_layout_costs(graph, unit, before - unit.tensors, ceiling))
        ceiling = max(ceiling, lists[-1][-1].live)
        before |= unit.tensors
    plans = []
    persistent = persistent_bytes(graph)
    for most in sorted({cost.live for costs in lists for cost in costs if cost.live >= ceiling} | {ceiling}):
        chosen = [next(cost for cost in costs if cost.live <= most) for costs in lists]
        layout: Layout = {}
        for cost in reversed(chosen):
            layout = {**layout, **cost.layout}
        plans.append(Plan(most, persistent + sum(cost.persistent for cost in chosen), layout))
    return plans


def _innermost_first(graph: Subgraph, units: list[Unit]) -> list[Unit]:
    """Units in graph order, but units that span others, such as streams, come last."""
    spans = [_span(graph, unit) for unit in units]
    around = [sum(begin <= b and e <= end for b, e in spans) for begin, end in spans]
    return [units[n] for n in sorted(range(len(units)), key=lambda n: (around[n] > 1, spans[n]))]


def _layout_costs(graph: Subgraph, unit: Unit, others: set[Tensor], target_peak: int) -> list[_LayoutCost]:
    """The useful layouts of a unit, cheapest first, until peak memory is low enough."""
    window = _window(graph, unit)
    base = persistent_bytes(window)
    plain = copied(window)
    order_operators(plain)
    kept = [_LayoutCost(0, _peak(plain, others, {}), {})]
    if kept[0].live <= target_peak:
        return kept
    tiled = []
    for layout in unit.layouts:
        some = copied(window)
        origins = tile(some, layout)
        tiled.append((persistent_bytes(some) - base, layout, some, origins))
    for persistent, layout, some, origins in sorted(tiled, key=lambda one: one[0]):
        if kept[-1].live <= target_peak:
            break
        if _peak(some, others, origins) <= kept[-1].live * _MAX_REORDER_GAIN:
            order_operators(some)
            live = _peak(some, others, origins)
            if live < kept[-1].live:
                kept.append(_LayoutCost(persistent, live, layout))
    return kept


def _peak(graph: Subgraph, others: set[Tensor], origins: dict[Tensor, Tensor]) -> int:
    """Peak of live bytes, excluding operators that involve other units' tensors."""
    pairs = zip(live_bytes(graph), graph.operators, strict=True)
    return max((live for live, o in pairs if others.isdisjoint(origins.get(t, t) for t in _tensors(o))), default=0)


def _span(graph: Subgraph, unit: Unit) -> tuple[int, int]:
    touched = [n for n, o in enumerate(graph.operators) if not unit.tensors.isdisjoint(_tensors(o))]
    return touched[0], touched[-1] + 1


def _tensors(operator: Operator) -> list[Tensor]:
    return [tensor for tensor in [*operator.inputs, *operator.outputs] if tensor is not None]


def _window(graph: Subgraph, unit: Unit) -> Subgraph:
    """The operators from the first to the last one that involve a unit, as a separate graph."""
    begin, end = _span(graph, unit)
    # Include immediate consumers, such as an addition to the stream, which free tensors that are still live.
    made = {t for o in graph.operators[begin:end] for t in o.outputs}
    after = graph.operators[end : end + _MAX_TRAILING]
    end += max((n + 1 for n, o in enumerate(after) if not made.isdisjoint(_tensors(o))), default=0)
    inside = graph.operators[begin:end]
    there = dict.fromkeys([*graph.inputs, *(t for o in graph.operators[:begin] for t in o.outputs)])
    new = dict.fromkeys(t for o in inside for t in o.outputs)
    taken = {t for o in inside for t in o.inputs}
    later = {t for o in graph.operators[end:] for t in o.inputs} | set(graph.outputs)
    inputs = [t for t in there if t in taken or t in later]
    outputs = [t for t in [*inputs, *new] if t in later]
    return Subgraph(list(dict.fromkeys([*inputs, *(t for o in inside for t in _tensors(o))])), inputs, outputs, inside)
