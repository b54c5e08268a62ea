"""Sliding windows, shared by convolutions and pooling.

>>> import numpy as np
>>> from seesaw_keras.tflite.reference.operators.windows import Windows
>>> windows = Windows((5, 5), (3, 3), strides=(2, 2), padding="SAME")
>>> windows.output, windows.pad_widths(0)
((3, 3), (1, 1))
>>> [tap.shape for tap in windows.taps(np.zeros((1, 5, 5, 4)))][:2]
[(1, 3, 3, 4), (1, 3, 3, 4)]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seesaw_keras.tflite.reference.node import Array, Node

__all__ = ["Windows"]


@dataclass(frozen=True)
class Windows:
    """Positions of sliding windows of one size (kernels/padding.h).

    Attributes:
        image: image height and width.
        size: window height and width, in taps.
        strides: vertical and horizontal stride.
        padding: "VALID" for windows inside the image only; "SAME" for one window per stride.
        dilations: vertical and horizontal dilation.
    """

    image: tuple[int, int]
    size: tuple[int, int]
    strides: tuple[int, int]
    padding: Literal["SAME", "VALID"]
    dilations: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, node: Node, size: tuple[int, int]) -> "Windows":
        """Creates the windows of a convolution or pooling operator.

        Raises:
            UnsupportedError: the image is smaller than the window, or the input is not an image.
        """
        shape = node.shape()
        node.require(len(shape) == 4, f"expected an input of 4 dimensions, got shape {shape}")
        options = node.operator.options
        dilations = options.get("dilation_h_factor", 1), options.get("dilation_w_factor", 1)
        strides = node.option("stride_h"), node.option("stride_w")
        windows = cls((shape[1], shape[2]), size, strides, node.option("padding"), dilations)
        node.require(
            min(windows.output) > 0, f"a window of {size} with dilations {dilations} exceeds the image of {shape[1:3]}"
        )
        return windows

    def _extent(self, side: int) -> int:
        """Extent of a dilated window: height (0) or width (1)."""
        return (self.size[side] - 1) * self.dilations[side] + 1

    def _count(self, side: int) -> int:
        covered = 1 if self.padding == "SAME" else self._extent(side)
        return (self.image[side] - covered) // self.strides[side] + 1

    @property
    def output(self) -> tuple[int, int]:
        """Number of windows, vertically and horizontally."""
        return self._count(0), self._count(1)

    def pad_widths(self, side: int) -> tuple[int, int]:
        """Padding before and after the image; the larger half comes after.

        Args:
            side: 0 for top and bottom, 1 for left and right.
        """
        reach = (self._count(side) - 1) * self.strides[side] + self._extent(side)
        missing = max(0, reach - self.image[side])
        return missing // 2, missing - missing // 2

    def taps(self, images: Array, value: float = 0) -> Iterator[Array]:
        """Yields, for each tap of the window in row-major order, the values under it in all windows.

        Args:
            images: (n, height, width, channels).
            value: padding value.

        Yields:
            A view (n, rows of windows, columns of windows, channels).
        """
        sides = self.pad_widths(0), self.pad_widths(1)
        if sides != ((0, 0), (0, 0)):
            images = np.pad(images, [(0, 0), *sides, (0, 0)], constant_values=value)
        for row in range(self.size[0]):
            rows = self._tap_slice(row, 0)
            for column in range(self.size[1]):
                yield images[:, rows, self._tap_slice(column, 1)]

    def _tap_slice(self, tap: int, side: int) -> slice:
        """The positions of a row or column of taps in all windows."""
        start, stride = tap * self.dilations[side], self.strides[side]
        return slice(start, start + (self._count(side) - 1) * stride + 1, stride)
