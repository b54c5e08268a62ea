"""Which tiles for a wanted arena: as few as fit.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.plan import find_plans
>>> [plan.live for plan in find_plans(flatbuffer.read("shuffle_hard.tflite").main)]  # doctest: +SKIP

Each unit (`units`) has its list of prices: how much lives at most while it is computed, against how much more persists
for the operators that this takes. Units are computed one after the other, so that the most that lives in the whole
graph is the most in any. A plan has a ceiling, and from each unit the cheapest way to stay below it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seesaw_keras.tflite.analysis.costs import live_bytes
from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import Links
from seesaw_keras.tflite.passes.tiling.memory import persistent_bytes
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.tiles import Layout, tile
from seesaw_keras.tflite.passes.tiling.units import Unit, channel_units, strip_units

__all__ = ["Plan", "copied", "find_plans"]

_AFTERMATH = 3  # operators
_HOPELESS = 1.4  # an order gains less than this factor


class Plan(NamedTuple):
    """How a graph is tiled.

    Attributes:
        live: the most bytes that live at once, in any unit.
        persistent: bytes that persist, as `memory.persistent_bytes` has them.
        layout: how tensors exist.
    """

    live: int
    persistent: int
    layout: Layout


class _Price(NamedTuple):
    """What a layout of a unit costs: bytes more that persist, and the most that live meanwhile."""

    persistent: int
    live: int
    layout: Layout


def copied(graph: Subgraph) -> Subgraph:
    """Returns a graph of the same operators and tensors, whose lists can be changed."""
    return Subgraph(list(graph.tensors), list(graph.inputs), list(graph.outputs), list(graph.operators), graph.name)


def find_plans(graph: Subgraph) -> list[Plan]:
    """Returns the plans of a graph, from as it is to that of the smallest ceiling; each with less than the one before.

    Args:
        graph: left as it is.
    """
    links = Links(graph)
    channels = _innermost_first(graph, channel_units(links))
    found = [Plan(max(live_bytes(graph)), persistent_bytes(graph), {})]
    for strips in (None, *strip_units(links, channels)):
        units = [unit for unit in channels if strips is None or not unit.tensors <= strips.tensors]
        found += _plans(graph, [*([strips] if strips else []), *units])
    kept: list[Plan] = []
    for plan in sorted(found, key=lambda plan: plan[:2]):
        if not kept or plan.persistent < kept[-1].persistent:
            kept.append(plan)
    return kept[::-1]


def _plans(graph: Subgraph, units: Sequence[Unit]) -> list[Plan]:
    """The plans in which these units are tiled, earlier ones before later ones where both have to do with a tensor."""
    owned = {tensor for unit in units for tensor in unit.tensors}
    rest = [live for live, o in zip(live_bytes(graph), graph.operators, strict=True) if owned.isdisjoint(_tensors(o))]
    ceiling = max(rest, default=0)
    before: set[Tensor] = set()
    lists = []
    for unit in units:
        lists.append(_prices(graph, unit, before - unit.tensors, ceiling))
        ceiling = max(ceiling, lists[-1][-1].live)
        before |= unit.tensors
    plans = []
    persistent = persistent_bytes(graph)
    for most in sorted({price.live for prices in lists for price in prices if price.live >= ceiling} | {ceiling}):
        chosen = [next(price for price in prices if price.live <= most) for prices in lists]
        layout: Layout = {}
        for price in reversed(chosen):
            layout = {**layout, **price.layout}
        plans.append(Plan(most, persistent + sum(price.persistent for price in chosen), layout))
    return plans


def _innermost_first(graph: Subgraph, units: list[Unit]) -> list[Unit]:
    """Units in the order of the graph, but those that go on while others come and go, such as streams, at last."""
    spans = [_span(graph, unit) for unit in units]
    around = [sum(begin <= b and e <= end for b, e in spans) for begin, end in spans]
    return [units[n] for n in sorted(range(len(units)), key=lambda n: (around[n] > 1, spans[n]))]


def _prices(graph: Subgraph, unit: Unit, others: set[Tensor], enough: int) -> list[_Price]:
    """The layouts of a unit that are worth their price, the cheapest first, until little enough lives."""
    window = _window(graph, unit)
    base = persistent_bytes(window)
    plain = copied(window)
    order_operators(plain)
    kept = [_Price(0, _peak(plain, others, {}), {})]
    if kept[0].live <= enough:
        return kept
    tiled = []
    for layout in unit.layouts:
        some = copied(window)
        origins = tile(some, layout)
        tiled.append((persistent_bytes(some) - base, layout, some, origins))
    for persistent, layout, some, origins in sorted(tiled, key=lambda one: one[0]):
        if kept[-1].live <= enough:
            break
        if _peak(some, others, origins) <= kept[-1].live * _HOPELESS:
            order_operators(some)
            live = _peak(some, others, origins)
            if live < kept[-1].live:
                kept.append(_Price(persistent, live, layout))
    return kept


def _peak(graph: Subgraph, others: set[Tensor], origins: dict[Tensor, Tensor]) -> int:
    """The most that lives at once, but for operators that have to do with other units' tensors."""
    pairs = zip(live_bytes(graph), graph.operators, strict=True)
    return max((live for live, o in pairs if others.isdisjoint(origins.get(t, t) for t in _tensors(o))), default=0)


def _span(graph: Subgraph, unit: Unit) -> tuple[int, int]:
    touched = [n for n, o in enumerate(graph.operators) if not unit.tensors.isdisjoint(_tensors(o))]
    return touched[0], touched[-1] + 1


def _tensors(operator: Operator) -> list[Tensor]:
    return [tensor for tensor in [*operator.inputs, *operator.outputs] if tensor is not None]


def _window(graph: Subgraph, unit: Unit) -> Subgraph:
    """The operators from the first to the last one that has to do with a unit, as a graph of their own."""
    begin, end = _span(graph, unit)
    # What is made of it at once, such as a sum with the stream, frees what waited for it.
    made = {t for o in graph.operators[begin:end] for t in o.outputs}
    after = graph.operators[end : end + _AFTERMATH]
    end += max((n + 1 for n, o in enumerate(after) if not made.isdisjoint(_tensors(o))), default=0)
    inside = graph.operators[begin:end]
    there = dict.fromkeys([*graph.inputs, *(t for o in graph.operators[:begin] for t in o.outputs)])
    new = dict.fromkeys(t for o in inside for t in o.outputs)
    taken = {t for o in inside for t in o.inputs}
    later = {t for o in graph.operators[end:] for t in o.inputs} | set(graph.outputs)
    inputs = [t for t in there if t in taken or t in later]
    outputs = [t for t in [*inputs, *new] if t in later]
    return Subgraph(list(dict.fromkeys([*inputs, *(t for o in inside for t in _tensors(o))])), inputs, outputs, inside)
