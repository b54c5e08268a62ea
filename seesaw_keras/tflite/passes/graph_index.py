"""Graph utilities for passes: producers and consumers of each tensor, and basic graph edits.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
>>> from seesaw_keras.tflite.passes.graph_index import GraphIndex, redirect, remove_dead_ops
>>> a, b, c = (Tensor(name, (1, 4), "FLOAT32") for name in "abc")
>>> graph = build(Operator("RELU", [a], [b]), Operator("RELU", [b], [c])).main
>>> GraphIndex(graph).only_user(b).outputs[0].name
'c'

A pass reads a graph through `GraphIndex`, a snapshot taken at construction, and may leave dead operators behind, which
`remove_dead_ops` removes.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor

__all__ = ["SIDE_EFFECTS", "GraphIndex", "redirect", "remove_dead_ops", "select_quantization", "substitute", "take"]

# Operators with side effects.
SIDE_EFFECTS = frozenset(("ASSIGN_VARIABLE", "CALL", "CALL_ONCE", "CUSTOM", "HASHTABLE_IMPORT", "IF", "WHILE"))


class GraphIndex:
    """Producers and consumers of each tensor; a snapshot of a graph.

    Attributes:
        graph: the indexed graph.
        producers: see `Subgraph.producers`.
        consumers: see `Subgraph.consumers`.
    """

    def __init__(self, graph: Subgraph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self.consumers = graph.consumers()
        self._ends = {*graph.inputs, *graph.outputs}

    def is_open(self, tensor: Tensor) -> bool:
        """Whether the tensor is visible outside the graph: a graph input, a graph output or a variable."""
        return tensor in self._ends or tensor.is_variable

    def only_user(self, tensor: Tensor | None) -> Operator | None:
        """Returns the consumer of a tensor if it is the only one and the tensor is not visible outside the graph."""
        if tensor is None or self.is_open(tensor) or len(self.consumers[tensor]) != 1:
            return None
        return self.consumers[tensor][0]

    def constant(self, operator: Operator, index: int) -> Tensor | None:
        """Returns the constant tensor behind an input; None if the input is not constant.

        For weights stored in float16 this is the input of the DEQUANTIZE operator in between.
        """
        tensor = operator.inputs[index] if index < len(operator.inputs) else None
        if tensor is None or tensor.is_variable:
            return None
        producer = self.producers.get(tensor)
        if producer is not None and producer.code == "DEQUANTIZE" and tensor not in self._ends:
            tensor = producer.inputs[0]
        return None if tensor is None or tensor.data is None or tensor.is_packed else tensor


def substitute(graph: Subgraph, old: Operator, new: Iterable[Operator]) -> None:
    """Replaces an operator with others, and adds their tensors to the graph.

    Args:
        graph: modified in place.
        old: an operator of the graph.
        new: operators in execution order; may include `old`.
    """
    new = list(new)
    index = graph.operators.index(old)
    graph.operators[index : index + 1] = new
    known = set(graph.tensors)
    for operator in new:
        for tensor in [*operator.inputs, *operator.outputs]:
            if tensor is not None and tensor not in known:
                known.add(tensor)
                graph.tensors.append(tensor)


def redirect(graph: Subgraph, old: Tensor, new: Tensor) -> None:
    """Replaces a tensor with another one in all consumers."""
    for operator in graph.operators:
        operator.inputs[:] = [new if tensor is old else tensor for tensor in operator.inputs]


def take(graph: Subgraph, operator: Operator, index: int, axis: int, order: npt.NDArray[np.intp]) -> None:
    """Selects and reorders entries of a constant input; per-channel scales follow their entries.

    Args:
        graph: modified in place.
        operator: an operator of the graph.
        index: input index of the constant.
        axis: axis of the constant.
        order: indices along the axis.
    """
    constant = GraphIndex(graph).constant(operator, index)
    assert constant is not None and constant.data is not None
    quantization = select_quantization(constant.quantization, axis, order)
    _set_constant(graph, operator, index, np.take(constant.data, order, axis), quantization)


def select_quantization(
    quantization: Quantization | None, axis: int, order: npt.NDArray[np.intp]
) -> Quantization | None:
    """Returns the quantization of a constant whose entries are selected along an axis."""
    if quantization is None or quantization.scales.size == 1 or quantization.axis != axis:
        return quantization
    return Quantization(quantization.scales[order], quantization.zero_points[order], axis)


def _set_constant(
    graph: Subgraph, operator: Operator, index: int, data: npt.NDArray, quantization: Quantization | None
) -> None:
    """Gives an operator its own constant, stored in the same form as the current one.

    Args:
        graph: modified in place.
        operator: an operator of the graph.
        index: input index of the constant.
        data: new value, in the type in which the current one is stored.
        quantization: quantization of the new value.
    """
    old = operator.inputs[index]
    assert old is not None
    stored = Tensor.constant(old.name, data, quantization)
    if old.data is not None:
        operator.inputs[index] = stored
        substitute(graph, operator, [operator])
        return
    widened = Tensor(old.name, data.shape, old.type)
    operator.inputs[index] = widened
    version = graph.producers()[old].version
    substitute(graph, operator, [Operator("DEQUANTIZE", [stored], [widened], version=version), operator])


def remove_dead_ops(graph: Subgraph) -> None:
    """Removes operators with unused outputs and tensors that no operator references."""
    taken = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        has_side_effects = (
            operator.code in SIDE_EFFECTS or not operator.outputs or any(operator.mutating_variable_inputs)
        )
        if has_side_effects or not taken.isdisjoint(operator.outputs):
            kept.append(operator)
            taken.update(tensor for tensor in operator.inputs if tensor is not None)
    graph.operators[:] = reversed(kept)
    named = {*graph.inputs, *taken}
    for operator in kept:
        named |= {*operator.outputs, *operator.intermediates}
    graph.tensors[:] = [tensor for tensor in graph.tensors if tensor in named or tensor.is_variable]
