"""Keeps residual streams split into the parts that convolutions read.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import split_streams
>>> split_streams(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
3

Between seesaw's blocks the two projections are concatenated, added to the stream, and sliced again for the next block's
expansions. This pass keeps the stream as separate parts: additions operate on parts, and slices and concatenations are
removed. Consumers of the whole stream, such as the head, read the concatenated parts.
"""

from itertools import pairwise

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.channels import channel_slices, joined_parts, sliced
from seesaw_keras.tflite.passes.graph_index import GraphIndex, redirect, remove_dead_ops, substitute
from seesaw_keras.tflite.passes.layout_ops import LayoutOps
from seesaw_keras.tflite.passes.regions import Region, region_around

__all__ = ["split_streams"]


def split_streams(graph: Subgraph) -> int:
    """Splits residual streams where this reduces the number of copied bytes.

    Args:
        graph: modified in place.

    Returns:
        Number of split streams.
    """
    count = 0
    seen: set[Operator] = set()
    for operator in list(graph.operators):
        if operator not in seen and _is_addition(operator):
            graph_index = GraphIndex(graph)
            region = region_around(graph_index, operator.outputs[0], _is_addition)
            if region is not None:
                seen |= set(region.operators)
                stream = _Stream(graph_index, region)
                if len(stream.blocks) > 1 and stream.copied_after() < stream.copied_before():
                    stream.split()
                    remove_dead_ops(graph)
                    count += 1
    return count


def _is_addition(operator: Operator) -> bool:
    """Whether an operator adds two non-constant tensors of equal shape."""
    if operator.code != "ADD":
        return False
    shape = operator.outputs[0].shape
    return shape != () and all(t is not None and t.data is None and t.shape == shape for t in operator.inputs)


class _Stream:
    """Tensors connected by additions, and the channel blocks in which they are read."""

    def __init__(self, graph_index: GraphIndex, region: Region) -> None:
        self._graph_index, self._region = graph_index, region
        order = [tensor for operator in graph_index.graph.operators for tensor in operator.outputs]
        self._tensors = [tensor for tensor in order if tensor in region.tensors]
        self._slices = {  # slices to replace with parts
            operator: slices
            for operator in region.sinks
            if (slices := channel_slices(graph_index, operator)) and not any(graph_index.is_open(t) for t, *_ in slices)
        }
        bounds = {bound for slices in self._slices.values() for _, *ends in slices for bound in ends}
        self.blocks = list(pairwise(sorted(bounds | {0, self._tensors[0].shape[-1]})))
        self._parts: dict[Tensor, list[Tensor]] = {}

    def copied_before(self) -> int:
        """Bytes written by concatenations and slices."""
        joined = sum(tensor.nbytes for tensor in self._tensors if joined_parts(self._graph_index.producers[tensor]))
        return joined + sum(tensor.nbytes for slices in self._slices.values() for tensor, *_ in slices)

    def copied_after(self) -> int:
        """Bytes written by concatenations and slices once the stream is split."""
        copied = 0
        for tensor in self._tensors:
            producer = self._graph_index.producers[tensor]
            parts = self._joined(tensor)
            if parts is not None or producer in self._region.operators:
                copied += tensor.nbytes * self._is_read_whole(tensor)
                copied += sum(t.nbytes for block in parts or () if len(block) > 1 for t in block)
            else:
                copied += tensor.nbytes * (2 if joined_parts(producer) else 1)
        several = (t for slices in self._slices.values() for t, *ends in slices if tuple(ends) not in self.blocks)
        return copied + sum(tensor.nbytes for tensor in several)

    def _is_read_whole(self, tensor: Tensor) -> bool:
        others = (o for o in self._graph_index.consumers[tensor] if o not in self._slices)
        return self._graph_index.is_open(tensor) or any(o not in self._region.operators for o in others)

    def _joined(self, tensor: Tensor) -> list[list[Tensor]] | None:
        """The tensors that a CONCATENATION joins, per block; None if a block boundary lies within one of them."""
        joined = joined_parts(self._graph_index.producers[tensor])
        if joined is None:
            return None
        ends = np.cumsum([0, *(part.shape[-1] for part in joined)]).tolist()
        if not {bound for block in self.blocks for bound in block} <= set(ends):
            return None
        return [joined[ends.index(begin) : ends.index(end)] for begin, end in self.blocks]

    def split(self) -> None:
        """Splits the stream in the graph; leaves unused operators for `remove_dead_ops`."""
        for tensor in self._tensors:
            producer = self._graph_index.producers[tensor]
            substitute(self._graph_index.graph, producer, self._made(tensor, producer))
        for operator, slices in self._slices.items():
            given = sliced(operator)
            assert given is not None
            for tensor, begin, end in slices:
                pairs = zip(self._parts[given], self.blocks, strict=True)
                parts = [part for part, (start, stop) in pairs if begin <= start and stop <= end]
                layout_ops = LayoutOps(tensor.name)
                part = layout_ops.join(parts) if len(parts) > 1 else parts[0]
                substitute(self._graph_index.graph, operator, [*layout_ops.operators, operator])
                redirect(self._graph_index.graph, tensor, part)

    def _made(self, tensor: Tensor, producer: Operator) -> list[Operator]:
        """The operators that produce the parts of a tensor, and the tensor itself where it is read whole."""
        layout_ops = LayoutOps(tensor.name)
        joined = self._joined(tensor)
        if producer in self._region.operators:
            sums = self._sums(tensor, producer)
            self._parts[tensor] = [operator.outputs[0] for operator in sums]
            if not self._is_read_whole(tensor):
                return sums
            layout_ops.join(self._parts[tensor])
            layout_ops.into(tensor)
            return [*sums, *layout_ops.operators]
        if joined is not None:
            self._parts[tensor] = [layout_ops.join(block) if len(block) > 1 else block[0] for block in joined]
        else:
            before, starts = tensor.shape[:-1], [0] * (len(tensor.shape) - 1)
            self._parts[tensor] = [
                layout_ops.cut(tensor, (*starts, begin), (*before, end)) for begin, end in self.blocks
            ]
        return [producer, *layout_ops.operators]

    def _sums(self, tensor: Tensor, addition: Operator) -> list[Operator]:
        """The additions of the individual parts."""
        left, right = (self._parts[t] for t in addition.inputs if t is not None)
        return [
            Operator(
                "ADD",
                [one, other],
                [Tensor(f"{tensor.name}/{number}", one.shape, tensor.type, tensor.quantization)],
                dict(addition.options),
                addition.version,
            )
            for number, (one, other) in enumerate(zip(left, right, strict=True))
        ]
