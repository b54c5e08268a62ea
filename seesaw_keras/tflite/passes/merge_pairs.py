"""Merges uneven pairs of convolutions into one dense convolution where that is faster.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import merge_pairs
>>> merge_pairs(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
11

Convolutions that read slices of one tensor and whose outputs are concatenated are equivalent to one convolution whose
weights are zero for the channels they do not read. A zero weight adds nothing to an integer sum, and the outputs share
scale and zero point through the concatenation, so the result is bit-exact. The slices and the concatenation disappear,
at the cost of more multiply-adds and more weights: 16 to 19 multiply-adds per saved byte of copying where seesaw's
stream has 64 channels, 32 where it has 128. The former are faster with a matrix unit and not slower without one (see
`passes`).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor
from seesaw_keras.tflite.passes.channels import channel_slices, joined_parts, sliced
from seesaw_keras.tflite.passes.graph_index import GraphIndex, remove_dead_ops, substitute

__all__ = ["MADDS_PER_BYTE", "merge_pairs"]

MADDS_PER_BYTE = 20


class _Part(NamedTuple):
    """A convolution over channels `begin` to `end` of `source`, with its weights and bias."""

    operator: Operator
    source: Tensor
    begin: int
    end: int
    weights: Tensor
    bias: Tensor

    @property
    def kind(self) -> tuple[Any, ...]:
        """The properties that must match for parts to be merged."""
        made = self.operator.outputs[0]
        return self.source, self.operator.options, self.weights.shape[1:3], made.shape[:-1], _steps(made)


def merge_pairs(graph: Subgraph, *, madds_per_byte: float = MADDS_PER_BYTE) -> int:
    """Merges int8 convolutions of slices where the saved copies outweigh the additional multiply-adds.

    Args:
        graph: modified in place.
        madds_per_byte: maximum number of additional multiply-adds per saved byte of copying.

    Returns:
        Number of removed concatenations.
    """
    joins = [operator for operator in graph.operators if operator.code == "CONCATENATION"]
    return sum(_merge(graph, join, madds_per_byte) for join in joins)


def _merge(graph: Subgraph, join: Operator, madds_per_byte: float) -> bool:
    graph_index, made = GraphIndex(graph), join.outputs[0]
    found = [_part(graph_index, tensor) for tensor in joined_parts(join) or ()]
    parts = [part for part in found if part is not None]
    if len(parts) < max(2, len(found)) or any(part.kind != parts[0].kind for part in parts[1:]):
        return False
    if _steps(made) != _steps(parts[0].operator.outputs[0]) or _cost(graph_index, made, parts) > madds_per_byte:
        return False
    inputs: list[Tensor | None] = [parts[0].source, *_dense(parts, made.name)]
    version = max(part.operator.version for part in parts)
    substitute(graph, join, [Operator("CONV_2D", inputs, [made], dict(parts[0].operator.options), version)])
    remove_dead_ops(graph)
    return True


def _part(graph_index: GraphIndex, tensor: Tensor) -> _Part | None:
    """The int8 convolution that produces a tensor, if the tensor has a single consumer; None otherwise."""
    convolution = graph_index.producers.get(tensor)
    if convolution is None or convolution.code != "CONV_2D" or graph_index.only_user(tensor) is None:
        return None
    given, weights, bias = (
        convolution.inputs[0],
        graph_index.constant(convolution, 1),
        graph_index.constant(convolution, 2),
    )
    if given is None or weights is None or bias is None or weights.quantization is None or bias.quantization is None:
        return None
    types = given.type, weights.type, bias.type, tensor.type
    if types != ("INT8", "INT8", "INT32", "INT8") or weights.quantization.zero_points.any():
        return None
    if weights.shape[3] != given.shape[3]:  # grouped convolution
        return None
    slicing = graph_index.producers.get(given)
    source = None if slicing is None else sliced(slicing)
    if slicing is not None and source is not None:
        for output, begin, end in channel_slices(graph_index, slicing) or ():
            if output is given:
                return _Part(convolution, source, begin, end, weights, bias)
    return _Part(convolution, given, 0, given.shape[3], weights, bias)


def _steps(tensor: Tensor) -> tuple[float, int] | None:
    """The per-tensor quantization as (scale, zero point)."""
    return None if tensor.quantization is None else (tensor.quantization.scale, tensor.quantization.zero_point)


def _cost(graph_index: GraphIndex, made: Tensor, parts: list[_Part]) -> float:
    """Additional multiply-adds per saved byte of copying."""
    source = parts[0].source
    sparse = sum(part.weights.size for part in parts)
    dense = source.shape[-1] * made.shape[-1] * math.prod(parts[0].weights.shape[1:3])
    slices = {tensor for part in parts if (tensor := part.operator.inputs[0]) is not None} - {source}
    copied = made.nbytes + sum(tensor.nbytes for tensor in slices if graph_index.only_user(tensor) is not None)
    return (dense - sparse) * math.prod(made.shape[:-1]) / copied


def _dense(parts: list[_Part], name: str) -> tuple[Tensor, Tensor]:
    """Weights and bias of the merged convolution."""
    channels = parts[0].source.shape[-1]
    blocks = []
    for part in parts:
        assert part.weights.data is not None
        block = np.zeros((*part.weights.shape[:3], channels), np.int8)
        block[..., part.begin : part.end] = part.weights.data
        blocks.append(block)
    biases = np.concatenate([part.bias.data for part in parts if part.bias.data is not None])
    return (
        Tensor.constant(f"{name}/weights", np.concatenate(blocks), _scales([part.weights for part in parts])),
        Tensor.constant(f"{name}/bias", biases, _scales([part.bias for part in parts])),
    )


def _scales(constants: list[Tensor]) -> Quantization:
    """Concatenated per-channel scales of all constants."""
    scales = [np.broadcast_to(c.quantization.scales, c.shape[0]) for c in constants if c.quantization]
    return Quantization(np.concatenate(scales))
