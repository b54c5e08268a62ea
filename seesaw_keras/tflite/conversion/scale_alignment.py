"""Scales for which LiteRT's reference kernels and TFLite Micro compute the same integers.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.conversion.scale_alignment import settle_scales
>>> model = flatbuffer.read("shuffle_int8.tflite")  # doctest: +SKIP
>>> settle_scales(model)  # doctest: +SKIP
[]

Most kernels of the two are one source. These are not, or not built alike:

| operator | LiteRT | TFLite Micro |
| --- | --- | --- |
| MUL, PRELU | a factor that is a quotient of scales, in float32 | the same in float64 |
| RELU, LEAKY_RELU, HARD_SWISH | the same | the same by its source; in float64 in its Python wheel |
| LOGISTIC, TANH | a table of 256 entries, computed in float32 | fixed-point arithmetic, gemmlowp's |

The sources are kernels/mul.cc and kernels/activations.cc of LiteRT and micro/kernels/*_common.cc of TFLite Micro; the
reference interpreter (`reference`) has both, integer for integer, and is asked here. Two such factors are some 2**-25
of themselves apart, which shows only where a result lies as close as that to half a step. But one entry that differs is
enough for another embedding, and among the 65,536 pairs of integers that MUL can take there is one now and then. As a
scale means nothing to a millionth of itself, it may as well be one by which no result lies so close.

FULLY_CONNECTED cannot be settled so, and is replaced: see `dense`. Two more operators differ far beyond rounding, and
no network of ours has them: RELU6 on its own, where TFLite Micro looks at the scale of its input alone, and SUM, where
LiteRT takes int8 for uint8.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Subgraph, Tensor, build
from seesaw_keras.tflite.reference import FLAVORS, Interpreter, UnsupportedError

__all__ = ["agrees", "settle_scales"]

_ULPS = 8  # how far a scale may be moved: less than a millionth of it
_CONCERNED = ("MUL", "PRELU", "RELU", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
_WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# What these put out has a scale by definition.
_FIXED = ("LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")


def settle_scales(model: Model) -> list[Operator]:
    """Moves scales by a few float32 steps, until LiteRT and TFLite Micro compute the same integers.

    Where an operator's two kernels differ for any of its possible inputs, the scale of its output is moved, or that of
    an input where the output's is fixed or does not help. Tensors that share it across some operator (CONCATENATION,
    RESHAPE, slices, pooling, ...) are moved along, and the unit of a bias follows its convolution's input. A scale
    moves by less than a millionth of itself, and nothing else changes; a model that agrees already stays as it is.

    Args:
        model: its int8 operators are looked at. Changed in place.

    Returns:
        The operators that still differ, because no scale near that of their tensors will do.
    """
    graph = model.main
    groups = _tensors_of_one_scale(graph)
    concerned: dict[int, list[Operator]] = defaultdict(list)
    for operator in graph.operators:
        if operator.code in _CONCERNED:
            for group in {id(groups[tensor]) for tensor in _values(operator)}:
                concerned[group].append(operator)
    unsettled = []
    for operator in graph.operators:
        if not agrees(operator) and not any(
            _settle(group, concerned[id(group)], graph) for group in _free(operator, groups, graph)
        ):
            unsettled.append(operator)
    return unsettled


def agrees(operator: Operator) -> bool:
    """Returns whether LiteRT and TFLite Micro compute the same integers of all that an operator can be given.

    Args:
        operator: True without a look at it for operators other than those of the module's table, and other types;
            False where one of the two refuses it.
    """
    tensors = [*operator.inputs, *operator.outputs]
    if operator.code not in _CONCERNED or not all(t is not None and t.type == "INT8" for t in tensors):
        return True
    shape = (256,) * len(operator.inputs)  # one operator that is given everything there is
    *given, made = (Tensor(tensor.name, shape, "INT8", tensor.quantization) for tensor in tensors if tensor)
    model = build(Operator(operator.code, [*given], [made], operator.options))
    integers = np.meshgrid(*[np.arange(-128, 128).astype(np.int8)] * len(given))
    try:
        litert, micro = (Interpreter(model, flavor).run(*(array[None] for array in integers)) for flavor in FLAVORS)
    except UnsupportedError:
        return False
    return np.array_equal(litert, micro)


def _values(operator: Operator) -> list[Tensor]:
    """The int8 tensors that an operator computes and takes, constants excepted."""
    tensors = [*operator.outputs, *operator.inputs]
    return [t for t in tensors if t is not None and t.type == "INT8" and t.data is None and t.quantization]


def _tensors_of_one_scale(graph: Subgraph) -> dict[Tensor, list[Tensor]]:
    """Returns for each tensor those that keep its scale: they have it already, and operators between them."""
    groups = {tensor: [tensor] for tensor in graph.tensors}
    for operator in graph.operators:
        alike: dict[tuple[float, int], list[Tensor]] = defaultdict(list)
        for tensor in _values(operator):
            assert tensor.quantization is not None
            alike[tensor.quantization.scale, tensor.quantization.zero_point].append(tensor)
        for first, *others in alike.values():
            for other in others:
                if groups[other] is not groups[first]:
                    groups[first] += groups[other]
                    groups |= dict.fromkeys(groups[other], groups[first])
    return groups


def _free(operator: Operator, groups: dict[Tensor, list[Tensor]], graph: Subgraph) -> Iterator[list[Tensor]]:
    """Yields the tensors whose scale may be moved for an operator's sake, those of its output first."""
    fixed = {*graph.inputs, *(made for made, producer in graph.producers().items() if producer.code in _FIXED)}
    for tensor in _values(operator):
        if not fixed & {*groups[tensor]}:
            yield groups[tensor]


def _settle(group: list[Tensor], concerned: list[Operator], graph: Subgraph) -> bool:
    """Moves a scale until all operators that it concerns agree; leaves it as it is if none will do."""
    assert group[0].quantization is not None
    old = group[0].quantization.scales
    lower = higher = old
    for _ in range(_ULPS):
        higher, lower = np.nextafter(higher, np.float32(np.inf)), np.nextafter(lower, np.float32(0))
        for scale in (higher, lower):
            _give(group, scale, graph)
            if all(agrees(operator) for operator in concerned):
                return True
    _give(group, old, graph)
    return False


def _give(group: list[Tensor], scale: npt.NDArray[np.float32], graph: Subgraph) -> None:
    for tensor in group:
        assert tensor.quantization is not None
        tensor.quantization = Quantization(scale, tensor.quantization.zero_points)
    for operator in graph.operators:
        if operator.code in _WITH_BIAS and operator.inputs[0] in group and len(operator.inputs) == 3:
            _, weights, bias = operator.inputs
            if weights is not None and weights.quantization is not None and bias is not None:
                bias.quantization = Quantization(weights.quantization.scales * scale)
