"""Runs a flatbuffer in NumPy, operator by operator, bit-exact with a device.

>>> import numpy as np
>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.reference import Interpreter
>>> interpreter = Interpreter(flatbuffer.read("shuffle_int8.tflite"))  # doctest: +SKIP
>>> images = np.zeros((8, 1, 112, 112, 3), np.int8)  # eight inputs of the network, each a batch of one
>>> (embeddings,) = interpreter.run(images)  # doctest: +SKIP
>>> embeddings.shape  # doctest: +SKIP
(8, 1, 512)
"""

from collections.abc import Iterator

import numpy as np

from seesaw_keras.choices import unknown_name
from seesaw_keras.tflite.flatbuffer import Model, Operator, Tensor
from seesaw_keras.tflite.reference.kernels import KERNELS
from seesaw_keras.tflite.reference.node import FLAVORS, Array, Compute, Flavor, Node, UnsupportedError

__all__ = ["Interpreter"]


class Interpreter:
    """A prepared network.

    Every array has a leading batch axis in front of the axes that the file gives its tensor, so many inputs run at
    once.
    """

    def __init__(self, model: Model, flavor: Flavor = "litert") -> None:
        """Prepares every operator and computes tensors that depend only on constants.

        Args:
            model: its main subgraph is executed; it is not modified, and must not be modified afterwards.
            flavor: "litert" for the arithmetic of LiteRT's reference kernels, "tflm" for that of TensorFlow Lite
                Micro.

        Raises:
            UnsupportedError: an operator, type or option is not supported; the message names it. All unsupported
                features are reported here, before anything runs.
        """
        if flavor not in FLAVORS:
            raise ValueError(unknown_name("flavor", flavor, FLAVORS))
        self.graph = model.main
        self._steps: list[tuple[Operator, Compute]] = []
        self._constants: dict[Tensor, Array] = {}
        for tensor in self.graph.tensors:
            if tensor.is_variable:
                raise UnsupportedError(f"{tensor.name!r}: variables are not supported")
            if tensor.data is not None:
                self._constants[tensor] = tensor.data[None]
        shapes = {tensor: np.zeros((0, *tensor.shape), tensor.dtype) for tensor in self.graph.inputs}
        for operator in self.graph.operators:
            self._add(operator, flavor, shapes)

    def _add(self, operator: Operator, flavor: Flavor, shapes: dict[Tensor, Array]) -> None:
        """Prepares an operator and runs it on an empty batch.

        This yields the shapes and types of its outputs. An output with a batch size of 1 even so is constant.
        """
        if operator.code not in KERNELS:
            raise UnsupportedError(f"{_name(operator)}: the operator is not supported")
        arrays = _inputs(operator, self._constants | shapes)
        try:
            compute = KERNELS[operator.code](Node(operator, flavor, arrays))
            made = compute(*arrays)
        except UnsupportedError:
            raise
        except ValueError as error:
            raise UnsupportedError(f"{_name(operator)}: {error}") from error
        for tensor, array in zip(operator.outputs, made, strict=True):
            if array.dtype != tensor.dtype or not _fits(array.shape[1:], tensor, flavor):
                raise UnsupportedError(
                    f"{_name(operator)}: the kernel computes {array.dtype} {array.shape[1:]}, but the file declares "
                    f"{tensor.dtype} {tensor.shape} for {tensor.name!r}"
                )
        if len(made[0]) == 1:
            self._constants |= zip(operator.outputs, made, strict=True)
        else:
            shapes |= zip(operator.outputs, made, strict=True)
            self._steps.append((operator, compute))

    def run(self, *inputs: Array) -> list[Array]:
        """Runs the network and returns its outputs.

        Args:
            inputs: one array per graph input, (images, *shape), of the tensor's dtype.

        Returns:
            The graph's outputs, (images, *shape).

        Raises:
            ValueError: an input has the wrong shape or dtype.
        """
        values = self._initial_values(inputs)
        last = {tensor: operator for operator, _ in self._steps for tensor in operator.inputs if tensor is not None}
        kept = {*self.graph.outputs}
        for operator in self._execute(values):
            for tensor in {*operator.inputs, *operator.outputs}:
                if tensor is not None and last.get(tensor, operator) is operator and tensor not in kept:
                    values.pop(tensor, None)
        return [self._broadcast(values[tensor], len(inputs[0])) for tensor in self.graph.outputs]

    def tensors(self, *inputs: Array) -> dict[Tensor, Array]:
        """Runs the network and returns inputs, outputs and all computed tensors.

        Args:
            inputs: see `run`.

        Returns:
            (images, *shape) arrays in execution order; tensors that depend only on constants have a batch size of 1.
        """
        values = self._initial_values(inputs)
        for _ in self._execute(values):
            pass
        returned = {*self.graph.inputs, *self.graph.producers(), *self.graph.outputs}
        return {tensor: value for tensor, value in values.items() if tensor in returned}

    def _initial_values(self, inputs: tuple[Array, ...]) -> dict[Tensor, Array]:
        if len(inputs) != len(self.graph.inputs):
            raise ValueError(f"expected {len(self.graph.inputs)} inputs, got {len(inputs)}")
        for tensor, array in zip(self.graph.inputs, inputs, strict=True):
            if array.dtype != tensor.dtype or array.shape[1:] != tensor.shape or len(array) != len(inputs[0]):
                raise ValueError(
                    f"input {tensor.name!r}: expected {tensor.dtype} (images, {str(tensor.shape)[1:]}, with as many "
                    f"images as the first input, got {array.dtype} {array.shape}"
                )
        return self._constants | dict(zip(self.graph.inputs, inputs, strict=True))

    def _execute(self, values: dict[Tensor, Array]) -> Iterator[Operator]:
        """Runs the operators in order, stores outputs in `values`, and yields each operator that has run."""
        for operator, compute in self._steps:
            values |= zip(operator.outputs, compute(*_inputs(operator, values)), strict=True)
            yield operator

    @staticmethod
    def _broadcast(array: Array, images: int) -> Array:
        return np.broadcast_to(array, (images, *array.shape[1:]))


def _inputs(operator: Operator, values: dict[Tensor, Array]) -> list[Array | None]:
    return [None if tensor is None else values[tensor] for tensor in operator.inputs]


def _fits(shape: tuple[int, ...], tensor: Tensor, flavor: Flavor) -> bool:
    """Whether a shape matches the file's; LiteRT allows dynamic dimensions."""
    expected = tensor.shape if tensor.shape_signature is None or flavor == "tflm" else tensor.shape_signature
    return len(shape) == len(expected) and all(w in (-1, s) for s, w in zip(shape, expected, strict=True))


def _name(operator: Operator) -> str:
    return f"{operator.custom_code or operator.code} {operator.outputs[0].name if operator.outputs else ''!r}"
