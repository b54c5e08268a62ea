"""What passes are made of: who makes and who takes a tensor, and the few ways to change a graph.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
>>> from seesaw_keras.tflite.passes.graph_index import Links, redirect, sweep
>>> a, b, c = (Tensor(name, (1, 4), "FLOAT32") for name in "abc")
>>> graph = build(Operator("RELU", [a], [b]), Operator("RELU", [b], [c])).main
>>> Links(graph).only_user(b).outputs[0].name
'c'

A pass looks at a graph through `Links`, which show it as it was when they were made, and leaves behind what nothing
takes any more: `sweep` drops that.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor

__all__ = ["LASTING", "Links", "redirect", "substitute", "sweep", "take", "taken"]

# What these do is seen elsewhere than in their outputs.
LASTING = frozenset(("ASSIGN_VARIABLE", "CALL", "CALL_ONCE", "CUSTOM", "HASHTABLE_IMPORT", "IF", "WHILE"))


class Links:
    """Who makes and who takes each tensor of a graph at this moment.

    Attributes:
        graph: the graph.
        producers: as `Subgraph.producers`.
        consumers: as `Subgraph.consumers`.
    """

    def __init__(self, graph: Subgraph) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self.consumers = graph.consumers()
        self._ends = {*graph.inputs, *graph.outputs}

    def is_open(self, tensor: Tensor) -> bool:
        """Whether others than operators may see the value: an input or output of the graph, or a variable."""
        return tensor in self._ends or tensor.is_variable

    def only_user(self, tensor: Tensor | None) -> Operator | None:
        """Returns the operator that takes a tensor if it is the only one to see it."""
        if tensor is None or self.is_open(tensor) or len(self.consumers[tensor]) != 1:
            return None
        return self.consumers[tensor][0]

    def constant(self, operator: Operator, place: int) -> Tensor | None:
        """Returns the tensor that holds the value of a constant input, None where there is no such.

        That is another tensor than the input where weights are stored in float16: a DEQUANTIZE lies between.
        """
        tensor = operator.inputs[place] if place < len(operator.inputs) else None
        if tensor is None or tensor.is_variable:
            return None
        producer = self.producers.get(tensor)
        if producer is not None and producer.code == "DEQUANTIZE" and tensor not in self._ends:
            tensor = producer.inputs[0]
        return None if tensor is None or tensor.data is None or tensor.is_packed else tensor


def substitute(graph: Subgraph, old: Operator, new: Iterable[Operator]) -> None:
    """Puts operators into the place of another one, and their tensors among those of the graph.

    Args:
        graph: changed in place.
        old: one of its operators.
        new: in the order of execution; `old` itself may be among them.
    """
    new = list(new)
    place = graph.operators.index(old)
    graph.operators[place : place + 1] = new
    known = set(graph.tensors)
    for operator in new:
        for tensor in [*operator.inputs, *operator.outputs]:
            if tensor is not None and tensor not in known:
                known.add(tensor)
                graph.tensors.append(tensor)


def redirect(graph: Subgraph, old: Tensor, new: Tensor) -> None:
    """Makes all operators that take a tensor take another one instead."""
    for operator in graph.operators:
        operator.inputs[:] = [new if tensor is old else tensor for tensor in operator.inputs]


def take(graph: Subgraph, operator: Operator, place: int, axis: int, order: npt.NDArray[np.intp]) -> None:
    """Gives an operator those entries of a constant that it takes, in this order; scales go with their entries.

    Args:
        graph: changed in place.
        operator: one of its operators.
        place: of the constant among the inputs.
        axis: of the constant.
        order: numbers of entries along the axis.
    """
    constant = Links(graph).constant(operator, place)
    assert constant is not None and constant.data is not None
    quantization = taken(constant.quantization, axis, order)
    _set_constant(graph, operator, place, np.take(constant.data, order, axis), quantization)


def taken(quantization: Quantization | None, axis: int, order: npt.NDArray[np.intp]) -> Quantization | None:
    """Returns what entries of a constant stand for that are taken along an axis: scales go with their entries."""
    if quantization is None or quantization.scales.size == 1 or quantization.axis != axis:
        return quantization
    return Quantization(quantization.scales[order], quantization.zero_points[order], axis)


def _set_constant(
    graph: Subgraph, operator: Operator, place: int, data: npt.NDArray, quantization: Quantization | None
) -> None:
    """Gives an operator a constant of its own, of the same kind as the one that it takes.

    Args:
        graph: changed in place.
        operator: one of its operators.
        place: of the constant among the inputs.
        data: the new value, in the type in which the old one is stored.
        quantization: of the new value.
    """
    old = operator.inputs[place]
    assert old is not None
    stored = Tensor.constant(old.name, data, quantization)
    if old.data is not None:
        operator.inputs[place] = stored
        substitute(graph, operator, [operator])
        return
    widened = Tensor(old.name, data.shape, old.type)
    operator.inputs[place] = widened
    version = graph.producers()[old].version
    substitute(graph, operator, [Operator("DEQUANTIZE", [stored], [widened], version=version), operator])


def sweep(graph: Subgraph) -> None:
    """Drops the operators whose outputs nothing takes, and the tensors that no operator names any more."""
    taken = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        lasting = operator.code in LASTING or not operator.outputs or any(operator.mutating_variable_inputs)
        if lasting or not taken.isdisjoint(operator.outputs):
            kept.append(operator)
            taken.update(tensor for tensor in operator.inputs if tensor is not None)
    graph.operators[:] = reversed(kept)
    named = {*graph.inputs, *taken}
    for operator in kept:
        named |= {*operator.outputs, *operator.intermediates}
    graph.tensors[:] = [tensor for tensor in graph.tensors if tensor in named or tensor.is_variable]
