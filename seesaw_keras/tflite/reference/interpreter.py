"""Runs a flatbuffer in NumPy, operator by operator, with the integers of a device.

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

from seesaw_keras.tflite.flatbuffer import Model, Operator, Tensor
from seesaw_keras.tflite.reference.kernels import KERNELS
from seesaw_keras.tflite.reference.node import FLAVORS, Array, Compute, Flavor, Node, UnsupportedError

__all__ = ["Interpreter"]


class Interpreter:
    """A network ready to run.

    Every array has a leading axis of images, before the axes that the file gives its tensor: many inputs run at once.
    """

    def __init__(self, model: Model, flavor: Flavor = "litert") -> None:
        """Makes every operator ready, and computes what depends on constants alone.

        Args:
            model: its main subgraph is what runs; it is not changed, and must not be afterwards.
            flavor: "litert" for the integers of LiteRT's reference kernels, "micro" for those of TensorFlow Lite Micro.

        Raises:
            UnsupportedError: an operator, type or option is not computed here; the message names it. Whatever can be
                refused is refused here, before anything runs.
        """
        if flavor not in FLAVORS:
            raise ValueError(f"unknown flavor {flavor!r}: choose one of {', '.join(FLAVORS)}")
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
        """Makes an operator ready, and runs it on no images at all.

        That shows the shapes and types of its outputs. What has one image even so is the same for all of them.
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
                    f"{_name(operator)}: the kernel makes {array.dtype} {array.shape[1:]}, but the file says "
                    f"{tensor.dtype} {tensor.shape} of {tensor.name!r}"
                )
        if len(made[0]) == 1:
            self._constants |= zip(operator.outputs, made, strict=True)
        else:
            shapes |= zip(operator.outputs, made, strict=True)
            self._steps.append((operator, compute))

    def run(self, *inputs: Array) -> list[Array]:
        """Computes the network's outputs.

        Args:
            inputs: one for each of the graph's inputs, (images, *shape), of the tensor's type.

        Returns:
            The graph's outputs, (images, *shape).

        Raises:
            ValueError: an input has another shape or type.
        """
        values = self._given(inputs)
        last = {tensor: operator for operator, _ in self._steps for tensor in operator.inputs if tensor is not None}
        kept = {*self.graph.outputs}
        for operator in self._walk(values):
            for tensor in {*operator.inputs, *operator.outputs}:
                if tensor is not None and last.get(tensor, operator) is operator and tensor not in kept:
                    values.pop(tensor, None)
        return [self._of_all_images(values[tensor], len(inputs[0])) for tensor in self.graph.outputs]

    def tensors(self, *inputs: Array) -> dict[Tensor, Array]:
        """Computes the network, and returns every tensor that is computed, the inputs and the outputs.

        Args:
            inputs: as for `run`.

        Returns:
            (images, *shape) of each, in the order of computation; what depends on constants alone has one image.
        """
        values = self._given(inputs)
        for _ in self._walk(values):
            pass
        wanted = {*self.graph.inputs, *self.graph.producers(), *self.graph.outputs}
        return {tensor: value for tensor, value in values.items() if tensor in wanted}

    def _given(self, inputs: tuple[Array, ...]) -> dict[Tensor, Array]:
        if len(inputs) != len(self.graph.inputs):
            raise ValueError(f"{len(inputs)} inputs for a network of {len(self.graph.inputs)}")
        for tensor, array in zip(self.graph.inputs, inputs, strict=True):
            if array.dtype != tensor.dtype or array.shape[1:] != tensor.shape or len(array) != len(inputs[0]):
                raise ValueError(
                    f"input {tensor.name!r}: {array.dtype} {array.shape} instead of {tensor.dtype} (images, "
                    f"{str(tensor.shape)[1:]}, as many images in every input"
                )
        return self._constants | dict(zip(self.graph.inputs, inputs, strict=True))

    def _walk(self, values: dict[Tensor, Array]) -> Iterator[Operator]:
        """Computes operator after operator into `values`; yields each that is done."""
        for operator, compute in self._steps:
            values |= zip(operator.outputs, compute(*_inputs(operator, values)), strict=True)
            yield operator

    @staticmethod
    def _of_all_images(array: Array, images: int) -> Array:
        return np.broadcast_to(array, (images, *array.shape[1:]))


def _inputs(operator: Operator, values: dict[Tensor, Array]) -> list[Array | None]:
    return [None if tensor is None else values[tensor] for tensor in operator.inputs]


def _fits(shape: tuple[int, ...], tensor: Tensor, flavor: Flavor) -> bool:
    """Whether a shape is the one that the file gives; LiteRT lets sides be free there."""
    wanted = tensor.shape if tensor.shape_signature is None or flavor == "micro" else tensor.shape_signature
    return len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))


def _name(operator: Operator) -> str:
    return f"{operator.custom_code or operator.code} {operator.outputs[0].name if operator.outputs else ''!r}"
