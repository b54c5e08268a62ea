"""What a graph takes of TFLite Micro's arena, computed without it.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.memory import planned_bytes
>>> planned_bytes(flatbuffer.read("shuffle_hard.tflite").main)  # doctest: +SKIP
903168

TFLite Micro plans greedily (tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc): the largest tensor first,
each in the lowest gap between those that live at the same time. What is planned is therefore more than the largest sum
of bytes that live at once, where gaps do not fit. What persists is a record for each operator and tensor, what kernels
keep for themselves, and eight bytes for each channel of a convolution's output; in the sizes of x86-64, which a
microcontroller's are below.
"""

from bisect import insort
from itertools import chain

from seesaw_keras.tflite.costs import lifetimes
from seesaw_keras.tflite.flatbuffer import Operator, Subgraph

__all__ = ["persistent_bytes", "planned_bytes"]

_ALIGNMENT = 16
_OPERATOR, _TENSOR, _REST = 64 + 20, 24, 600  # bytes; the options of an operator are 20 on average
# Of what a kernel keeps, in the wheel of August 2026: sizeof its OpData.
_KEPT = {
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


def planned_bytes(graph: Subgraph) -> int:
    """Returns the bytes that the greedy plan takes for activations and scratch buffers."""
    sizes = [(_aligned(size), *span) for size, *span in _buffers(graph)]
    order = sorted(range(len(sizes)), key=lambda number: (-sizes[number][0], -number))
    placed: list[tuple[int, int, int, int]] = []  # offset, end, and when it lives
    for number in order:
        size, born, dies = sizes[number]
        offset = 0
        for begin, end, first, last in placed:
            if first <= dies and born <= last:
                if begin - offset >= size:
                    break
                offset = max(offset, end)
        insort(placed, (offset, offset + size, born, dies))
    return max((end for _, end, *_ in placed), default=0)


def _buffers(graph: Subgraph) -> list[tuple[int, int, int]]:
    """The bytes of each buffer, and the first and last operator during which it lives."""
    spans = lifetimes(graph)
    tensors = [(tensor.nbytes, *spans[tensor]) for tensor in graph.tensors if tensor in spans and tensor.nbytes]
    scratch = ((size, step, step) for step, o in enumerate(graph.operators) for size in _scratch(o))
    return list(chain(tensors, scratch))


def _scratch(operator: Operator) -> list[int]:
    """What a kernel needs while it runs."""
    given = operator.inputs[0] if operator.inputs else None
    if operator.code != "MEAN" or given is None or operator.inputs[1] is None:
        return []
    return [4 * operator.outputs[0].size, 4 * len(given.shape), 4 * operator.inputs[1].size]


def persistent_bytes(graph: Subgraph) -> int:
    """Returns the bytes, within a few hundredths, that persist as long as the interpreter does."""
    kept = 0
    for operator in graph.operators:
        kept += _aligned(_KEPT.get(operator.code, 0))
        if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kept += 2 * _aligned(4 * operator.outputs[0].shape[-1])  # a multiplier and a shift for each channel
    return _REST + _OPERATOR * len(graph.operators) + _TENSOR * len(graph.tensors) + kept


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
