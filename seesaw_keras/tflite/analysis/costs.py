"""Cost of a flatbuffer: operators, bytes, parameters, multiply-adds and activation memory.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.analysis.costs import cost_of
>>> cost_of(flatbuffer.read("shuffle_int8.tflite")).madds  # doctest: +SKIP
145762816
"""

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from math import prod

from seesaw_keras.tflite.flatbuffer import Model, Operator, Subgraph, Tensor

__all__ = ["Cost", "activation_peak", "cost_of", "count_madds", "count_parameters", "lifetimes", "live_bytes"]


@dataclass(frozen=True)
class Cost:
    """Cost of one model.

    Attributes:
        operators: number of operators by type, most frequent first.
        parameters: number of entries in weights, biases and slopes, with batch normalization folded in.
        madds: multiply-adds per image, in convolutions and dense layers.
        activation_peak: peak activation memory in bytes; see `activation_peak`.
    """

    operators: dict[str, int]
    parameters: int
    madds: int
    activation_peak: int

    def table(self, size: int) -> str:
        """Returns a text summary.

        Args:
            size: file size in bytes.
        """
        width = max(len(code) for code in self.operators)
        lines = [f"  {code:{width}}  {count:>4}" for code, count in self.operators.items()]
        return "\n".join(
            [
                f"size             {size:>13,} bytes",
                f"parameters       {self.parameters:>13,}",
                f"multiply-adds    {self.madds:>13,}",
                f"activation peak  {self.activation_peak:>13,} bytes",
                f"operators        {sum(self.operators.values()):>13,}",
                *lines,
            ]
        )


def cost_of(model: Model) -> Cost:
    """Returns the cost of a model's main subgraph, excluding subgraphs called by control-flow operators."""
    graph = model.main
    counts = Counter(operator.code for operator in graph.operators)
    return Cost(
        operators=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        parameters=count_parameters(graph),
        madds=sum(count_madds(operator) for operator in graph.operators),
        activation_peak=activation_peak(graph),
    )


def count_parameters(graph: Subgraph) -> int:
    """Returns the number of entries in all weights, biases and slopes: float constants, or integers with a scale.

    A constant counts once per consumer, since converters deduplicate equal constants.
    """
    # In float16 networks the weights pass through a DEQUANTIZE.
    stored = {made: operator.inputs[0] for made, operator in graph.producers().items() if operator.code == "DEQUANTIZE"}
    count = 0
    for operator in graph.operators:
        for tensor in operator.inputs if operator.code != "DEQUANTIZE" else ():
            constant = stored.get(tensor, tensor) if tensor is not None else None
            if constant is not None and constant.data is not None:
                count += constant.data.size * (constant.type.startswith("FLOAT") or constant.quantization is not None)
    return count


def count_madds(operator: Operator) -> int:
    """Returns the multiply-adds of a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED; 0 for other operators."""
    if operator.code not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights = operator.inputs[1]
    assert weights is not None
    taps = prod(weights.shape[1:3] if operator.code == "DEPTHWISE_CONV_2D" else weights.shape[1:])
    return prod(operator.outputs[0].shape) * taps


def lifetimes(graph: Subgraph) -> dict[Tensor, tuple[int, int]]:
    """Returns the lifetime of every computed tensor and input, as indices of the first and the last operator.

    A tensor is live from its producer (inputs: from the first operator) to its last consumer (outputs: to the last
    operator).
    """
    last = max(len(graph.operators) - 1, 0)
    first_use = dict.fromkeys(graph.inputs, 0)
    last_use: dict[Tensor, int] = {}
    for step, operator in enumerate(graph.operators):
        first_use |= dict.fromkeys(operator.outputs, step)
        last_use |= {tensor: step for tensor in [*operator.inputs, *operator.outputs] if tensor is not None}
    last_use |= dict.fromkeys(graph.outputs, last)
    return {tensor: (step, last_use.get(tensor, step)) for tensor, step in first_use.items()}


def live_bytes(graph: Subgraph) -> list[int]:
    """Returns the bytes of the tensors live at each operator, in file order."""
    changes = [0] * (len(graph.operators) + 2)
    for tensor, (first_use, last_use) in lifetimes(graph).items():
        size = prod(tensor.shape) * tensor.dtype.itemsize
        changes[first_use] += size
        changes[last_use + 1] -= size
    return list(accumulate(changes))[: max(len(graph.operators), 1)]


def activation_peak(graph: Subgraph) -> int:
    """Returns the peak of live bytes when operators run in file order.

    No operator works in place. Under these rules it is a lower bound for a runtime's arena, which also needs space for
    gaps and scratch buffers, and needs less where it reshapes in place. In a float16 network the weights computed by
    DEQUANTIZE count as well, since kernels without float16 support store them in this form.
    """
    return max(live_bytes(graph))
