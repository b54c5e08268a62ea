"""Orders operators to minimize peak memory.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
>>> order_operators(flatbuffer.read("shuffle_hard.tflite").main)  # doctest: +SKIP
0

The order of two branches determines which tensors stay live at the same time. A beam search extends orders operator by
operator and keeps those with the lowest peak so far. It runs on segments: between two points at which few bytes are
live, the order is independent of the rest.
"""

from typing import NamedTuple

from seesaw_keras.tflite.analysis.costs import lifetimes, live_bytes
from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor

__all__ = ["order_operators"]

_BEAM_WIDTH = 24
_MAX_SEGMENT = 60  # maximum number of operators per segment


class _State(NamedTuple):
    """A partial order of operators.

    Attributes:
        peak: peak of live bytes so far.
        live: bytes live after these operators.
        done: the operators, as a bit mask.
        order: operator indices in execution order.
    """

    peak: int
    live: int
    done: int
    order: tuple[int, ...]


def order_operators(graph: Subgraph) -> int:
    """Reorders operators to lower the peak of live bytes; keeps the order if no better one is found.

    Args:
        graph: modified in place.

    Returns:
        Number of operators whose position changed.
    """
    before = list(graph.operators)
    operators: list[Operator] = []
    begin = 0
    for end in _bounds(graph):
        operators += _ordered(graph, before[begin:end], before[end:])
        begin = end
    old = live_bytes(graph)
    graph.operators[:] = operators
    if max(live_bytes(graph)) > max(old):
        graph.operators[:] = before
    return sum(one is not other for one, other in zip(graph.operators, before, strict=True))


def _bounds(graph: Subgraph) -> list[int]:
    """Ends of segments: points with the fewest live bytes, as far apart as the maximum segment length allows."""
    after = _live_after(graph)
    bounds, begin = [], 0
    while begin < len(after):
        window = range(begin + 1, min(begin + _MAX_SEGMENT, len(after)) + 1)
        if len(after) - begin <= _MAX_SEGMENT:
            begin = len(after)
        else:
            begin = min(window[len(window) // 4 :], key=lambda index: (after[index - 1], -index))
        bounds.append(begin)
    return bounds


def _live_after(graph: Subgraph) -> list[int]:
    """Live bytes between each operator and the next."""
    count = len(graph.operators)
    after = [0] * count
    for tensor, (first_use, last_use) in lifetimes(graph).items():
        for step in range(first_use, last_use if tensor not in graph.outputs else count):
            after[step] += tensor.nbytes
    return after


def _ordered(graph: Subgraph, operators: list[Operator], later: list[Operator]) -> list[Operator]:
    """Orders one segment."""
    numbers = {tensor: number for number, o in enumerate(operators) for tensor in o.outputs}
    taken = [list(dict.fromkeys(t for t in o.inputs if t is not None and t.data is None)) for o in operators]
    waits = [sum(1 << n for n in {numbers[t] for t in inputs if t in numbers}) for inputs in taken]
    users: dict[Tensor, int] = {}
    for number, inputs in enumerate(taken):
        for tensor in inputs:
            users[tensor] = users.get(tensor, 0) | 1 << number
    kept = {t for o in later for t in o.inputs if t is not None} | set(graph.outputs)
    # Per operator and input: bytes freed once all consumers of the tensor have run, and the consumers' bit mask.
    frees = [[(t.nbytes, users[t]) for t in inputs if t not in kept] for inputs in taken]
    makes = [sum(t.nbytes for t in o.outputs) for o in operators]
    unused = [sum(t.nbytes for t in o.outputs if t not in users and t not in kept) for o in operators]

    def grown(state: _State, number: int) -> _State:
        done = state.done | 1 << number
        peak = state.live + makes[number]
        freed = sum(size for size, mask in frees[number] if mask & ~done == 0) + unused[number]
        return _State(max(state.peak, peak), peak - freed, done, (*state.order, number))

    given = _State(0, 0, 0, ())
    for number in range(len(operators)):
        given = grown(given, number)
    states = [_State(0, 0, 0, ())]
    ready = {0: [n for n, wait in enumerate(waits) if not wait]}  # by finished operators (bit mask)
    for _ in operators:
        found: dict[int, _State] = {}
        for state in states:
            steps = [grown(state, n) for n in ready[state.done]]
            # A step that raises neither the live bytes nor the peak is always optimal.
            free = [step for step in steps if step.live <= state.live and step.peak <= state.peak]
            for step in free[:1] or steps:
                if step.done not in found or step < found[step.done]:
                    found[step.done] = step
        states = sorted(found.values())[:_BEAM_WIDTH]
        ready = {done: _next(ready[done & ~(1 << last)], last, done, waits) for _, _, done, (*_, last) in states}
    return [operators[n] for n in min(given, *states, key=lambda state: state.peak).order]


def _next(ready: list[int], last: int, done: int, waits: list[int]) -> list[int]:
    """The operators that can run next after one more has run."""
    freed = (n for n, wait in enumerate(waits) if wait >> last & 1 and wait & ~done == 0)
    return [*(n for n in ready if n != last), *freed]
