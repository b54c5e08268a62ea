"""Adjusts scales so that LiteRT's reference kernels and TFLite Micro are bit-exact.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.conversion.scale_alignment import align_scales
>>> model = flatbuffer.read("shuffle_int8.tflite")  # doctest: +SKIP
>>> align_scales(model)  # doctest: +SKIP
[]

Most kernels of the two runtimes share one source. The following differ in source or in build:

| operator | LiteRT | TFLite Micro |
| --- | --- | --- |
| MUL, PRELU | quotient of scales in float32 | quotient of scales in float64 |
| RELU, LEAKY_RELU, HARD_SWISH | quotient of scales in float32 | float32 in the source; float64 in the Python wheel |
| LOGISTIC, TANH | table of 256 entries, computed in float32 | gemmlowp's fixed-point arithmetic |

The sources are kernels/mul.cc and kernels/activations.cc of LiteRT and micro/kernels/*_common.cc of TFLite Micro. The
reference interpreter (`reference`) implements both bit-exactly and is used here. The two factors differ by about 2**-25
relative, which only matters where a result lies that close to a tie. But one differing entry is enough to change the
embedding, and among the 65,536 possible integer pairs of MUL a tie occurs now and then. A relative change of a scale by
a millionth has no effect on accuracy, so a scale without such ties can be chosen.

This does not work for FULLY_CONNECTED, which is replaced instead: see `dense_layers`. Two more operators differ by far
more than rounding and do not occur in this package's networks: standalone RELU6, where TFLite Micro only considers the
scale of its input, and SUM, where LiteRT reads int8 as uint8.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Subgraph, Tensor, build
from seesaw_keras.tflite.reference import FLAVORS, Interpreter, UnsupportedError

__all__ = ["align_scales", "is_bit_exact"]

_MAX_ULPS = 8  # maximum change of a scale; less than a millionth of it
_AFFECTED = ("MUL", "PRELU", "RELU", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH")
_WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Operators whose output scale is fixed by definition.
_FIXED = ("LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")


def align_scales(model: Model) -> list[Operator]:
    """Moves scales by a few float32 ULPs until LiteRT and TFLite Micro are bit-exact.

    If an operator's two kernels differ for any possible input, the scale of its output is moved, or that of an input if
    the output's is fixed or moving it does not help. Tensors that must share the scale across an operator
    (CONCATENATION, RESHAPE, slices, pooling, ...) are moved along, and the bias scale follows its convolution's input.
    A scale changes by less than a millionth of its value, and nothing else changes; a model that is already bit-exact
    stays unmodified.

    Args:
        model: model whose int8 operators are aligned; modified in place.

    Returns:
        The operators that still differ because no nearby scale helps.
    """
    graph = model.main
    groups = _tensors_of_one_scale(graph)
    affected: dict[int, list[Operator]] = defaultdict(list)
    for operator in graph.operators:
        if operator.code in _AFFECTED:
            for group in {id(groups[tensor]) for tensor in _activations(operator)}:
                affected[group].append(operator)
    unaligned = []
    for operator in graph.operators:
        if not is_bit_exact(operator) and not any(
            _align(group, affected[id(group)], graph) for group in _adjustable_groups(operator, groups, graph)
        ):
            unaligned.append(operator)
    return unaligned


def is_bit_exact(operator: Operator) -> bool:
    """Returns whether LiteRT and TFLite Micro are bit-exact for every possible input of an operator.

    Args:
        operator: operator to check. The result is True without a check for operators and types that are not in the
            module's table, and False if either runtime rejects it.
    """
    tensors = [*operator.inputs, *operator.outputs]
    if operator.code not in _AFFECTED or not all(t is not None and t.type == "INT8" for t in tensors):
        return True
    shape = (256,) * len(operator.inputs)  # one run over all combinations of input values
    *given, made = (Tensor(tensor.name, shape, "INT8", tensor.quantization) for tensor in tensors if tensor)
    model = build(Operator(operator.code, [*given], [made], operator.options))
    integers = np.meshgrid(*[np.arange(-128, 128).astype(np.int8)] * len(given))
    try:
        litert, micro = (Interpreter(model, flavor).run(*(array[None] for array in integers)) for flavor in FLAVORS)
    except UnsupportedError:
        return False
    return np.array_equal(litert, micro)


def _activations(operator: Operator) -> list[Tensor]:
    """The non-constant int8 inputs and the outputs of an operator."""
    tensors = [*operator.outputs, *operator.inputs]
    return [t for t in tensors if t is not None and t.type == "INT8" and t.data is None and t.quantization]


def _tensors_of_one_scale(graph: Subgraph) -> dict[Tensor, list[Tensor]]:
    """For each tensor, the tensors that must share its scale, through operators between them."""
    groups = {tensor: [tensor] for tensor in graph.tensors}
    for operator in graph.operators:
        by_quantization: dict[tuple[float, int], list[Tensor]] = defaultdict(list)
        for tensor in _activations(operator):
            assert tensor.quantization is not None
            by_quantization[tensor.quantization.scale, tensor.quantization.zero_point].append(tensor)
        for first, *others in by_quantization.values():
            for other in others:
                if groups[other] is not groups[first]:
                    groups[first] += groups[other]
                    groups |= dict.fromkeys(groups[other], groups[first])
    return groups


def _adjustable_groups(
    operator: Operator, groups: dict[Tensor, list[Tensor]], graph: Subgraph
) -> Iterator[list[Tensor]]:
    """Yields the groups of tensors whose scale may be moved to align an operator, those of its output first."""
    fixed = {*graph.inputs, *(made for made, producer in graph.producers().items() if producer.code in _FIXED)}
    for tensor in _activations(operator):
        if not fixed & {*groups[tensor]}:
            yield groups[tensor]


def _align(group: list[Tensor], affected: list[Operator], graph: Subgraph) -> bool:
    """Moves a scale until all affected operators are bit-exact; restores it if no candidate works."""
    assert group[0].quantization is not None
    old = group[0].quantization.scales
    lower = higher = old
    for _ in range(_MAX_ULPS):
        higher, lower = np.nextafter(higher, np.float32(np.inf)), np.nextafter(lower, np.float32(0))
        for scale in (higher, lower):
            _set_scale(group, scale, graph)
            if all(is_bit_exact(operator) for operator in affected):
                return True
    _set_scale(group, old, graph)
    return False


def _set_scale(group: list[Tensor], scale: npt.NDArray[np.float32], graph: Subgraph) -> None:
    for tensor in group:
        assert tensor.quantization is not None
        tensor.quantization = Quantization(scale, tensor.quantization.zero_points)
    for operator in graph.operators:
        if operator.code in _WITH_BIAS and operator.inputs[0] in group and len(operator.inputs) == 3:
            _, weights, bias = operator.inputs
            if weights is not None and weights.quantization is not None and bias is not None:
                bias.quantization = Quantization(weights.quantization.scales * scale)
