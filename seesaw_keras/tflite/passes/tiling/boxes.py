"""Boxes: row and channel ranges of images, and the operators that slice and concatenate them.

>>> from seesaw_keras.tflite.flatbuffer import Tensor
>>> from seesaw_keras.tflite.passes.tiling.boxes import Box, whole
>>> image = Tensor("image", (1, 8, 8, 16), "INT8")
>>> whole(image)
Box(top=0, bottom=8, first=0, last=16)
>>> Box(0, 4, 0, 16) & Box(2, 8, 8, 16)
Box(top=2, bottom=4, first=8, last=16)

Columns are never split: adjacent rows are contiguous in memory and copied at once, and a strip has a halo on two sides
instead of four.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Tensor

__all__ = ["Box", "Cuts", "concatenate", "grid", "is_image", "shape_of", "slice_box", "whole"]

_MAX_INPUTS = 10  # input limit of TFLite Micro's CONCATENATION


class Box(NamedTuple):
    """Half-open ranges: rows `top` to `bottom`, channels `first` to `last`."""

    top: int
    bottom: int
    first: int
    last: int

    def __and__(self, other: "Box") -> "Box":
        """The intersection; `bottom <= top` or `last <= first` if it is empty."""
        return Box(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.first, other.first),
            min(self.last, other.last),
        )

    @property
    def is_empty(self) -> bool:
        """Whether the box has no rows or no channels."""
        return self.bottom <= self.top or self.last <= self.first


class Cuts(NamedTuple):
    """Split positions of a tensor: rows and channels at which parts begin, without 0."""

    rows: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()


def is_image(tensor: Tensor) -> bool:
    """Whether a tensor can be tiled: static shape (1, height, width, channels)."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape_signature is None and tensor.size > 0


def whole(tensor: Tensor) -> Box:
    """Returns the box of a whole tensor; a placeholder box if the tensor is not an image."""
    return Box(0, tensor.shape[1], 0, tensor.shape[3]) if is_image(tensor) else Box(0, 1, 0, 1)


def shape_of(tensor: Tensor, box: Box) -> tuple[int, ...]:
    """Returns the shape of a tensor's part."""
    if not is_image(tensor):
        return tensor.shape
    return 1, box.bottom - box.top, tensor.shape[2], box.last - box.first


def grid(tensor: Tensor, cuts: Cuts) -> list[list[Box]]:
    """Returns the parts into which a tensor is split: one list per channel range, top to bottom."""
    full = whole(tensor)
    rows = list(pairwise([0, *cuts.rows, full.bottom]))
    channels = pairwise([0, *cuts.channels, full.last])
    return [[Box(*row, *channel) for row in rows] for channel in channels]


def slice_box(tensor: Tensor, box: Box, made: Tensor) -> Operator:
    """Returns the SLICE that copies a box of an image; in TFLite Micro it needs less memory than STRIDED_SLICE."""
    begin = np.array([0, box.top, 0, box.first], np.int32)
    size = np.array(made.shape, np.int32)
    constants = [Tensor.constant(f"{made.name}/{role}", n) for role, n in (("begin", begin), ("size", size))]
    return Operator("SLICE", [tensor, *constants], [made], version=2 if tensor.type == "INT8" else 1)


def concatenate(pieces: Sequence[Tensor], axis: int, made: Tensor) -> list[Operator]:
    """Returns the operators that concatenate pieces; several if there are more than TFLite Micro supports at once."""
    operators: list[Operator] = []
    pieces = list(pieces)
    while len(pieces) > _MAX_INPUTS:
        some = pieces[:_MAX_INPUTS]
        shape = list(made.shape)
        shape[axis] = sum(piece.shape[axis] for piece in some)
        joined = Tensor(f"{made.name}/{len(operators)}", tuple(shape), made.type, made.quantization)
        operators.append(_concatenation(some, axis, joined))
        pieces[:_MAX_INPUTS] = [joined]
    return [*operators, _concatenation(pieces, axis, made)]


def _concatenation(pieces: Sequence[Tensor], axis: int, made: Tensor) -> Operator:
    return Operator("CONCATENATION", list(pieces), [made], {"axis": axis}, 2 if made.type == "INT8" else 1)
