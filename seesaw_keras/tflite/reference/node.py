"""Operator view for kernels: inputs, options and quantization, with errors for unsupported features.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor
>>> from seesaw_keras.tflite.reference.node import Node
>>> x, y = Tensor("x", (1, 4), "INT16"), Tensor("y", (1, 4), "INT16")
>>> Node(Operator("RELU", [x], [y]), "litert", [np.zeros((0, 1, 4), np.int16)]).type("INT8", "FLOAT32")
Traceback (most recent call last):
...
seesaw_keras.tflite.reference.node.UnsupportedError: RELU 'y': type INT16 is not supported, only INT8, FLOAT32
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.reference.arithmetic.fixed_point import INT32_MAX, round_half_away

__all__ = ["FLAVORS", "Array", "Compute", "Flavor", "Node", "UnsupportedError"]

Flavor = Literal["litert", "tflm"]
FLAVORS: tuple[Flavor, ...] = get_args(Flavor)

Array = npt.NDArray[Any]
# Maps the operator's inputs, with a leading batch axis (1 for constants; None if omitted), to its outputs.
Compute = Callable[..., "list[Array]"]

# Limits of fused activations, as real numbers.
_ACTIVATIONS = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


class UnsupportedError(ValueError):
    """Raised for an unsupported operator, type or option; the message names it."""


@dataclass(frozen=True)
class Node:
    """An operator and the static information about its inputs.

    Attributes:
        operator: the operator.
        flavor: runtime to reproduce: LiteRT's reference kernels or TensorFlow Lite Micro.
        arrays: inputs for an empty batch, None if omitted. They have static shapes (the file's may be dynamic);
            constant inputs have a batch size of 1 and hold their values.
    """

    operator: Operator
    flavor: Flavor
    arrays: Sequence[Array | None]

    def unsupported(self, problem: str) -> UnsupportedError:
        """Returns an UnsupportedError for the caller to raise."""
        return UnsupportedError(f"{self.operator.code} {self.output.name!r}: {problem}")

    def require(self, condition: bool, problem: str) -> None:
        """Raises UnsupportedError unless the condition holds."""
        if not condition:
            raise self.unsupported(problem)

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.operator.outputs[0]

    def input(self, index: int = 0) -> Tensor:
        """The input at an index; raises UnsupportedError if it is missing."""
        tensor = self.optional(index)
        if tensor is None:
            raise self.unsupported(f"input {index} is missing")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        """The input at an index; None if it is omitted."""
        return self.operator.inputs[index] if index < len(self.operator.inputs) else None

    def option(self, name: str) -> Any:
        """The value of an operator option."""
        return self.operator.options[name]

    def constant(self, index: int) -> Array:
        """The value of a constant input; raises UnsupportedError if it is not constant."""
        array = self._array(index)
        if len(array) != 1:
            raise self.unsupported(
                f"input {index} {self.input(index).name!r} is computed; only a constant is supported"
            )
        return array[0]

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """The shape of an input, without the batch axis."""
        return self._array(index).shape[1:]

    def _array(self, index: int) -> Array:
        self.input(index)
        array = self.arrays[index]
        assert array is not None
        return array

    def numbers(self, index: int) -> list[int]:
        """A constant integer input, such as axes, as a flat list."""
        self.require(
            self.input(index).type in ("INT32", "INT64"),
            f"input {index} is {self.input(index).type}, expected INT32 or INT64",
        )
        return self.constant(index).reshape(-1).tolist()

    def axis(self, number: int, rank: int) -> int:
        """Normalizes a possibly negative axis; raises UnsupportedError if it is out of range."""
        self.require(-rank <= number < rank, f"axis {number} is out of range for {rank} dimensions")
        return number % rank

    def type(self, *allowed: str, inputs: int = 1) -> str:
        """The common type of the first inputs and all outputs; raises UnsupportedError if mixed or not allowed."""
        types = {tensor.type for tensor in [*map(self.input, range(inputs)), *self.operator.outputs]}
        for type in sorted(types):
            self.require(type in allowed, f"type {type} is not supported, only {', '.join(allowed)}")
        self.require(len(types) == 1, f"types {' and '.join(sorted(types))} are mixed")
        return types.pop()

    def scale(self, tensor: Tensor) -> np.float32:
        """The per-tensor scale of a quantized tensor, in the file's precision."""
        if tensor.quantization is None:
            raise self.unsupported(f"{tensor.name!r} is {tensor.type} without quantization")
        self.require(tensor.quantization.scales.size == 1, f"{tensor.name!r} has per-channel scales")
        return np.float32(tensor.quantization.scales[0])

    def scale_for_division(self, tensor: Tensor) -> np.floating:
        """The scale in the precision in which most kernels divide scales: float32 in LiteRT, float64 in TFLite Micro.

        TFLite Micro's source also uses float32 for RELU, LEAKY_RELU, HARD_SWISH, SUB and a FULLY_CONNECTED with one
        scale for all channels, but its wheel computes them in float64 like the others.
        """
        return (np.float32 if self.flavor == "litert" else np.float64)(self.scale(tensor))

    def zero_point(self, tensor: Tensor) -> int:
        """The per-tensor zero point of a quantized tensor."""
        self.scale(tensor)
        assert tensor.quantization is not None
        return tensor.quantization.zero_point

    def require_same_quantization(self, *tensors: Tensor) -> None:
        """Raises UnsupportedError for quantized tensors whose quantization differs from the output's."""
        for tensor in tensors:
            same = (self.scale(tensor), self.zero_point(tensor)) == (
                self.scale(self.output),
                self.zero_point(self.output),
            )
            self.require(same, f"the quantization of {tensor.name!r} differs from the output's")

    def activation(self) -> tuple[float, float]:
        """The limits of the fused activation, as real numbers."""
        name = self.option("fused_activation_function")
        self.require(name in _ACTIVATIONS, f"fused activation {name} is not supported")
        return _ACTIVATIONS[name]

    def limits(self, real: tuple[float, float] | None = None) -> tuple[int, int]:
        """The minimum and maximum integer of an 8-bit output, given its type and real limits.

        Args:
            real: real limits; by default those of the fused activation.
        """
        info = np.iinfo(self.output.dtype)
        low, high = (self.integer(self.output, value) for value in real or self.activation())
        return max(info.min, low), min(info.max, high)

    def integer(self, tensor: Tensor, value: float) -> int:
        """The quantized value of a real number; infinities map far outside any 8-bit range."""
        if np.isinf(value):
            return int(np.copysign(INT32_MAX, value))
        steps = round_half_away(np.float32(value) / self.scale(tensor))
        self.require(bool(abs(steps) < INT32_MAX), f"{value} is out of range: {steps} steps of {tensor.name!r}")
        return self.zero_point(tensor) + int(steps)
