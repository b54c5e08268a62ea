"""Computes a graph's memory use in TFLite Micro's arena without running TFLite Micro.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.memory import planned_bytes
>>> planned_bytes(flatbuffer.read("shuffle_hard.tflite").main)  # doctest: +SKIP
903168

TFLite Micro plans greedily (tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc): the largest tensor first,
each in the lowest gap between those that are live at the same time. The planned size therefore exceeds the peak of live
bytes where gaps cannot be filled. Persistent memory is a record per operator and tensor, kernel data, and eight bytes
per output channel of a convolution; sizes are those of x86-64, and a microcontroller's are smaller.
"""

from bisect import insort
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from seesaw_keras.tflite.analysis.costs import lifetimes
from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor

__all__ = [
    "Buffer",
    "aligned",
    "buffers",
    "by_size",
    "height",
    "peak_live_bytes",
    "persistent_bytes",
    "place",
    "planned_bytes",
]

_ALIGNMENT = 16
_OPERATOR_BYTES, _TENSOR_BYTES, _OTHER_BYTES = 64 + 20, 24, 600  # bytes; an operator's options take 20 on average
# Persistent bytes per kernel: sizeof its OpData, in the wheel of August 2026.
_OP_DATA_BYTES = {
    "ADD": 60,
    "AVERAGE_POOL_2D": 28,
    "CONCATENATION": 80,
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "FULLY_CONNECTED": 72,
    "HARD_SWISH": 20,
    "LOGISTIC": 16,
    "MAX_POOL_2D": 28,
    "MEAN": 44,
    "MUL": 36,
    "PAD": 56,
    "PRELU": 28,
    "QUANTIZE": 32,
    "RELU": 28,
    "RELU6": 28,
    "STRIDED_SLICE": 84,
    "SUB": 60,
    "TANH": 16,
}


class Buffer(NamedTuple):
    """A memory block with a limited lifetime.

    Attributes:
        tensor: tensor it holds; None for a kernel's scratch buffer.
        size: size in bytes, a multiple of the alignment.
        first_use: index of the first operator at which it is live.
        last_use: index of the last one.
    """

    tensor: Tensor | None
    size: int
    first_use: int
    last_use: int


def buffers(graph: Subgraph) -> list[Buffer]:
    """Returns the buffers that TFLite Micro plans, in its order: tensors, then scratch buffers."""
    spans = lifetimes(graph)
    tensors = [Buffer(t, aligned(t.nbytes), *spans[t]) for t in graph.tensors if t in spans and t.nbytes]
    scratch = [Buffer(None, size, n, n) for n, o in enumerate(graph.operators) for size in _scratch(o)]
    return tensors + scratch


def by_size(needed: Sequence[Buffer]) -> list[int]:
    """Returns buffer indices in TFLite Micro's placement order: by decreasing size, the last of equal ones first."""
    return sorted(range(len(needed)), key=lambda number: (-needed[number].size, -number))


def place(
    needed: Sequence[Buffer], order: Iterable[int], ceiling: int = 0, top_down: Collection[int] = ()
) -> list[int]:
    """Returns the offset of each buffer when each in turn is placed in the lowest free gap.

    Args:
        needed: the buffers.
        order: buffer indices in placement order.
        ceiling: upper limit for `top_down` buffers.
        top_down: indices of buffers to place at the upper end of the highest free gap below the ceiling, if there is
            one.
    """
    offsets = [0] * len(needed)
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first_use, last_use
    for number in order:
        _, size, first_use, last_use = needed[number]
        taken = [(begin, end) for begin, end, first, last in placed if first <= last_use and first_use <= last]
        offset = _highest_gap(taken, size, ceiling) if number in top_down else None
        if offset is None:
            offset = 0
            for begin, end in taken:
                if begin - offset >= size:
                    break
                offset = max(offset, end)
        insort(placed, (offset, offset + size, first_use, last_use))
        offsets[number] = offset
    return offsets


def _highest_gap(taken: list[tuple[int, int]], size: int, ceiling: int) -> int | None:
    """The highest free offset below a ceiling; None if there is none."""
    found, floor = None, 0
    for begin, end in [*taken, (ceiling, ceiling)]:
        top = min(begin, ceiling)
        if top - floor >= size:
            found = top - size
        floor = max(floor, end)
    return found


def peak_live_bytes(needed: Sequence[Buffer]) -> int:
    """Returns the peak of live bytes, a lower bound for every plan."""
    alive = [0] * (max((buffer.last_use for buffer in needed), default=0) + 1)
    for buffer in needed:
        for step in range(buffer.first_use, buffer.last_use + 1):
            alive[step] += buffer.size
    return max(alive)


def planned_bytes(graph: Subgraph) -> int:
    """Returns the bytes that TFLite Micro's own plan uses for activations and scratch buffers."""
    needed = buffers(graph)
    return height(needed, place(needed, by_size(needed)))


def height(needed: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Returns the highest end of all placed buffers."""
    return max((offset + buffer.size for buffer, offset in zip(needed, offsets, strict=True)), default=0)


def _scratch(operator: Operator) -> list[int]:
    """Sizes of a kernel's scratch buffers, in bytes."""
    given = operator.inputs[0] if operator.inputs else None
    if operator.code != "MEAN" or given is None or operator.inputs[1] is None:
        return []
    sizes = 4 * operator.outputs[0].size, 4 * len(given.shape), 4 * operator.inputs[1].size
    return [aligned(size) for size in sizes]


def persistent_bytes(graph: Subgraph) -> int:
    """Returns the persistent memory in bytes, accurate to within a few hundredths."""
    kept = 0
    for operator in graph.operators:
        kept += aligned(_OP_DATA_BYTES.get(operator.code, 0))
        if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kept += 2 * aligned(4 * operator.outputs[0].shape[-1])  # a multiplier and a shift per channel
    return _OTHER_BYTES + _OPERATOR_BYTES * len(graph.operators) + _TENSOR_BYTES * len(graph.tensors) + kept


def aligned(size: int) -> int:
    """Rounds a size up to TFLite Micro's alignment of 16 bytes."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT
