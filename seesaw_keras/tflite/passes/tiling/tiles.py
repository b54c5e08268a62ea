"""Rewrites a graph to compute tensors in parts, bit-exactly.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.tiling.boxes import Cuts
>>> from seesaw_keras.tflite.passes.tiling.tiles import STREAMED, tile
>>> graph = flatbuffer.read("shuffle_hard.tflite").main  # doctest: +SKIP
>>> stem, expanded = (graph.operators[place].outputs[0] for place in (2, 13))  # doctest: +SKIP
>>> len(tile(graph, {stem: STREAMED, expanded: Cuts(rows=(14,))}))  # doctest: +SKIP
4

A layout defines how each tensor is materialized. A tensor with `Cuts` exists as the parts of a grid. A `STREAMED`
tensor is never stored as such: each requested part is computed on demand, and overlapping parts are computed
repeatedly. All others exist as a whole. Parts are requested backwards from the graph outputs; a requested part that
does not exist is sliced or concatenated from existing ones. Slices and concatenations of channels only define channel
positions, and are removed where their parts coincide with existing ones.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Subgraph, Tensor
from seesaw_keras.tflite.passes.channels import channel_slices, joined_parts, sliced
from seesaw_keras.tflite.passes.graph_index import SIDE_EFFECTS, GraphIndex, remove_dead_ops, select_quantization
from seesaw_keras.tflite.passes.tiling.boxes import Box, Cuts, concatenate, grid, is_image, shape_of, slice_box, whole
from seesaw_keras.tflite.passes.tiling.required_inputs import ZeroPadding, required_inputs

__all__ = ["STREAMED", "Layout", "tile"]

STREAMED: Final = "streamed"
Layout = Mapping[Tensor, "Cuts | str"]


def tile(graph: Subgraph, layout: Layout) -> dict[Tensor, Tensor]:
    """Rewrites a graph to compute tensors in parts.

    Args:
        graph: modified in place; unchanged if it has variables or control flow.
        layout: layout of the tensors that are not stored as a whole.

    Returns:
        New tensors, each mapped to the tensor of which it is a part.
    """
    operators = graph.operators
    if not layout or any(o.code in SIDE_EFFECTS or any(o.mutating_variable_inputs) or not o.outputs for o in operators):
        return {}
    tiler = _Tiler(graph, layout)
    for tensor in graph.outputs:
        tiler.part(tensor, whole(tensor))
    operators[:] = tiler.operators
    graph.tensors += dict.fromkeys(t for o in operators for t in [*o.inputs, *o.outputs] if t is not None)
    graph.tensors[:] = dict.fromkeys(graph.tensors)
    remove_dead_ops(graph)
    return tiler.origins


class _Tiler:
    """Creates parts of tensors, each only once.

    Attributes:
        operators: operators that compute the parts, in order of request.
        origins: original tensor of each new one.
    """

    def __init__(self, graph: Subgraph, layout: Layout) -> None:
        self.operators: list[Operator] = []
        self.origins: dict[Tensor, Tensor] = {}
        self._graph, self._layout, self._graph_index = graph, layout, GraphIndex(graph)
        self._parts: dict[tuple[Tensor, Box], Tensor] = {}
        self._padded: dict[tuple[Tensor, ZeroPadding], Tensor] = {}
        self._constants: dict[tuple[Tensor, int, int, int], Tensor] = {}

    def part(self, tensor: Tensor, box: Box) -> Tensor:
        """Returns the part of a tensor in a box."""
        key = tensor, box
        if key not in self._parts:
            self._parts[key] = self._made(tensor, box)
        return self._parts[key]

    def _made(self, tensor: Tensor, box: Box) -> Tensor:
        operator = self._graph_index.producers.get(tensor)
        if operator is None:
            return tensor if box == whole(tensor) else self._cut(tensor, box)
        if is_image(tensor) and tensor not in self._graph.outputs:
            for output, first, _ in channel_slices(self._graph_index, operator) or ():
                given = sliced(operator)
                if output is tensor and given is not None and is_image(given):
                    return self.part(given, box._replace(first=box.first + first, last=box.last + first))
        kind = self._layout.get(tensor, Cuts())
        if kind == STREAMED:
            return self._computed(operator, tensor, box)
        assert isinstance(kind, Cuts)
        columns = grid(tensor, kind)
        if kind.rows:
            # Strip by strip, so that tensors shared within a strip are freed before the next strip.
            for strip in zip(*columns, strict=True):
                for cell in strip:
                    if (tensor, cell) not in self._parts:
                        self._parts[tensor, cell] = self._computed(operator, tensor, cell)
            if (tensor, box) in self._parts:
                return self._parts[tensor, box]
        if any(box in column for column in columns):
            return self._computed(operator, tensor, box)
        joined = [[(cell, cell & box) for cell in column if not (cell & box).is_empty] for column in columns]
        pieces = [[self._cut_of(tensor, *pair) for pair in column] for column in joined if column]
        # A tensor that cannot be computed in parts has been computed as a whole by now.
        return self._parts[tensor, box] if (tensor, box) in self._parts else self._joined(tensor, box, pieces)

    def _cut_of(self, tensor: Tensor, cell: Box, box: Box) -> Tensor:
        """The part in a box, sliced from a part that contains it."""
        part = self.part(tensor, cell)
        if cell == box:
            return part
        key = tensor, box
        if key not in self._parts:
            inside = Box(box.top - cell.top, box.bottom - cell.top, box.first - cell.first, box.last - cell.first)
            self._parts[key] = self._cut(part, inside)
        return self._parts[key]

    def _cut(self, tensor: Tensor, box: Box) -> Tensor:
        made = self._new(tensor, box)
        self.operators.append(slice_box(tensor, box, made))
        return made

    def _joined(self, tensor: Tensor, box: Box, columns: list[list[Tensor]]) -> Tensor:
        """Concatenates pieces, first those with the same channels."""
        if len(columns) == len(columns[0]) == 1:
            return columns[0][0]
        made = self._new(tensor, box)
        runs = []
        for number, column in enumerate(columns):
            if len(column) == 1:
                runs += column
                continue
            shape = (1, box.bottom - box.top, *column[0].shape[2:])
            run = made if len(columns) == 1 else self._known(tensor, f"{made.name}/{number}", shape)
            self.operators += concatenate(column, 1, run)
            runs.append(run)
        if len(runs) > 1:
            self.operators += concatenate(runs, 3, made)
        return made

    def _computed(self, operator: Operator, tensor: Tensor, box: Box) -> Tensor:
        """Adds an operator that computes a part of its output."""
        if box == whole(tensor):
            inputs = [None if t is None else self.part(t, whole(t)) for t in operator.inputs]
            self._add(operator, inputs, operator.outputs)
            self._parts |= {(output, whole(output)): output for output in operator.outputs}
            return tensor
        parts = joined_parts(operator)
        if parts is not None:
            return self._concatenated_part(tensor, box, parts)
        required = required_inputs(self._graph_index, operator, box)
        if required is None:  # only possible as a whole, regardless of the layout
            if (tensor, whole(tensor)) not in self._parts:
                self._parts[tensor, whole(tensor)] = self._computed(operator, tensor, whole(tensor))
            return self._cut_of(tensor, whole(tensor), box)
        inputs = [
            self._channel_constant(t, required.constants[index], box)
            if t is not None and index in required.constants
            else t
            for index, t in enumerate(operator.inputs)
        ]
        for index, part in enumerate(required.inputs):
            given = operator.inputs[index]
            if part is not None and given is not None:
                inputs[index] = self.part(given, part)
        if operator.code == "PAD":
            return self._zero_padded(inputs[0], required.zero_padding, self._new(tensor, box))
        if any(required.zero_padding):
            inputs[0] = self._zero_padded(inputs[0], required.zero_padding)
        made = self._new(tensor, box)
        self._add(operator, inputs, [made], required.options)
        return made

    def _concatenated_part(self, tensor: Tensor, box: Box, parts: list[Tensor]) -> Tensor:
        """A part of a concatenation along channels, concatenated from the inputs inside the box."""
        pieces, first = [], 0
        for part in parts:
            inside = box._replace(first=box.first - first, last=box.last - first) & whole(part)
            if not inside.is_empty:
                pieces.append(self.part(part, inside))
            first += part.shape[3]
        return self._joined(tensor, box, [[piece] for piece in pieces])

    def _zero_padded(self, given: Tensor | None, padding: ZeroPadding, made: Tensor | None = None) -> Tensor:
        """A tensor with zero padding."""
        assert given is not None
        if not any(padding):
            return given
        key = given, padding
        if key not in self._padded:
            above, below, left, right = padding
            shape = 1, given.shape[1] + above + below, given.shape[2] + left + right, given.shape[3]
            made = made or self._known(given, f"{given.name}/padded", shape)
            paddings = np.array([(0, 0), (above, below), (left, right), (0, 0)], np.int32)
            inputs: list[Tensor | None] = [given, Tensor.constant(f"{made.name}/paddings", paddings)]
            self.operators.append(Operator("PAD", inputs, [made], version=2 if made.type == "INT8" else 1))
            self._padded[key] = made
        return self._padded[key]

    def _channel_constant(self, constant: Tensor, axis: int, box: Box) -> Tensor:
        """A constant's entries for the channels of a box."""
        if (box.first, box.last) == (0, constant.shape[axis]):
            return constant
        key = constant, axis, box.first, box.last
        if key not in self._constants:
            channels = np.arange(box.first, box.last)
            assert constant.data is not None
            name = f"{constant.name}/{box.first}:{box.last}"
            data = np.take(constant.data, channels, axis)
            self._constants[key] = Tensor.constant(
                name, data, select_quantization(constant.quantization, axis, channels)
            )
        return self._constants[key]

    def _new(self, tensor: Tensor, box: Box) -> Tensor:
        if box == whole(tensor):
            return tensor
        name = f"{tensor.name}/{box.top}:{box.bottom}/{box.first}:{box.last}"
        return self._known(tensor, name, shape_of(tensor, box))

    def _known(self, tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        part = Tensor(name, shape, tensor.type, tensor.quantization)
        self.origins[part] = self.origins.get(tensor, tensor)
        return part

    def _add(
        self,
        operator: Operator,
        inputs: list[Tensor | None],
        outputs: list[Tensor],
        options: dict[str, object] | None = None,
    ) -> None:
        self.operators.append(
            replace(operator, inputs=inputs, outputs=list(outputs), options=operator.options | (options or {}))
        )
