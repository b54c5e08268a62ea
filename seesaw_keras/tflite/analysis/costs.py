"""What a flatbuffer costs: operators, bytes, parameters, multiply-adds, memory of its activations.

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
    """The facts of one file.

    Attributes:
        operators: how often each occurs, the most frequent first.
        parameters: entries of weights, biases and slopes; batch normalization has become part of them.
        madds: multiply-adds of one image, in convolutions and dense layers.
        activation_peak: bytes; see `activation_peak`.
    """

    operators: dict[str, int]
    parameters: int
    madds: int
    activation_peak: int

    def table(self, size: int) -> str:
        """Returns the facts as lines for people.

        Args:
            size: of the file in bytes.
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
    """Returns what a model costs; the subgraphs that control-flow operators call are not counted."""
    graph = model.main
    counts = Counter(operator.code for operator in graph.operators)
    return Cost(
        operators=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        parameters=count_parameters(graph),
        madds=sum(count_madds(operator) for operator in graph.operators),
        activation_peak=activation_peak(graph),
    )


def count_parameters(graph: Subgraph) -> int:
    """Returns the entries of all weights, biases and slopes: constants in float, or integers with a scale.

    A constant counts for each operator that takes it: converters store equal ones once.
    """
    # In float16 networks the weights go through an operator of their own.
    stored = {made: operator.inputs[0] for made, operator in graph.producers().items() if operator.code == "DEQUANTIZE"}
    count = 0
    for operator in graph.operators:
        for tensor in operator.inputs if operator.code != "DEQUANTIZE" else ():
            constant = stored.get(tensor, tensor) if tensor is not None else None
            if constant is not None and constant.data is not None:
                count += constant.data.size * (constant.type.startswith("FLOAT") or constant.quantization is not None)
    return count


def count_madds(operator: Operator) -> int:
    """Returns the multiply-adds of a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED, 0 for any other operator."""
    if operator.code not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weights = operator.inputs[1]
    assert weights is not None
    taps = prod(weights.shape[1:3] if operator.code == "DEPTHWISE_CONV_2D" else weights.shape[1:])
    return prod(operator.outputs[0].shape) * taps


def lifetimes(graph: Subgraph) -> dict[Tensor, tuple[int, int]]:
    """Returns for every computed tensor and input the first and the last operator, by number, during which it lives.

    A tensor lives from the operator that computes it (an input: from the first one on) to the last one that takes it
    (an output: to the last one of all).
    """
    last = max(len(graph.operators) - 1, 0)
    born = dict.fromkeys(graph.inputs, 0)
    dies: dict[Tensor, int] = {}
    for step, operator in enumerate(graph.operators):
        born |= dict.fromkeys(operator.outputs, step)
        dies |= {tensor: step for tensor in [*operator.inputs, *operator.outputs] if tensor is not None}
    dies |= dict.fromkeys(graph.outputs, last)
    return {tensor: (step, dies.get(tensor, step)) for tensor, step in born.items()}


def live_bytes(graph: Subgraph) -> list[int]:
    """Returns for every operator, in the order of the file, the sum of bytes of the tensors that live while it runs."""
    changes = [0] * (len(graph.operators) + 2)
    for tensor, (born, dies) in lifetimes(graph).items():
        size = prod(tensor.shape) * tensor.dtype.itemsize
        changes[born] += size
        changes[dies + 1] -= size
    return list(accumulate(changes))[: max(len(graph.operators), 1)]


def activation_peak(graph: Subgraph) -> int:
    """Returns the largest sum of bytes that are live at once when operators run in the order of the file.

    No operator works in place. A runtime's arena needs at least that where it keeps to these rules, more for gaps and
    scratch buffers, less where it reshapes in place. In a float16 network the weights that DEQUANTIZE computes count,
    too: kernels without float16 hold them so.
    """
    return max(live_bytes(graph))
