"""Finds the first operator whose output differs between two runtimes, and isolates it as a model.

>>> import numpy as np
>>> from seesaw_keras.tflite.checking.tensor_diff import first_difference
>>> from seesaw_keras.tflite.runtimes import open_runtime
>>> left, right = (open_runtime(name, "network.tflite") for name in ("reference", "tflm"))  # doctest: +SKIP
>>> image = np.zeros((1, 112, 112, 3), np.int8)
>>> print(first_difference(left, right, [image], left.tensors(image), right.tensors(image)))  # doctest: +SKIP
operator 412 FULLY_CONNECTED, tensor 733 'embedding': 3 of 512 entries differ, by at most 1 step; also in isolation
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Model, ModelFile, Operator, Tensor, build
from seesaw_keras.tflite.runtimes import Runtime

__all__ = [
    "FLOAT_TOLERANCE",
    "OperatorDifference",
    "differing",
    "first_difference",
    "in_steps",
    "isolate",
    "largest_difference",
]

# Relative to the largest entry of a float tensor. Kernels sum in different orders, so floats are never bit-exact.
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class OperatorDifference:
    """An operator whose output differs between two runtimes for equal inputs.

    Attributes:
        operator: index in the main subgraph.
        code: operator name in the schema.
        tensor: index of the output that differs.
        name: name of that tensor.
        differing: number of entries that differ.
        entries: number of entries.
        largest: maximum absolute difference of an entry: steps for integers, the tensor's unit for floats.
        alone: whether it also differs as an isolated model. If not, the context plays a part, such as the memory
            layout.
    """

    operator: int
    code: str
    tensor: int
    name: str
    differing: int
    entries: int
    largest: float
    alone: bool

    def __str__(self) -> str:
        isolation = "also in isolation" if self.alone else "not in isolation, so the surrounding graph plays a part"
        return (
            f"operator {self.operator} {self.code}, tensor {self.tensor} {self.name!r}: {self.differing} of "
            f"{self.entries} entries differ, by at most {in_steps(self.largest)}; {isolation}"
        )


def in_steps(largest: float) -> str:
    """Formats a difference: in steps for integers, in the tensor's unit for floats."""
    if largest == 0 or not largest.is_integer():
        return f"{largest:.2g}"
    return f"{largest:.0f} step{'' if largest == 1 else 's'}"


def largest_difference(left: np.ndarray, right: np.ndarray) -> float:
    """Returns the maximum absolute difference of two arrays; infinity if their shapes differ."""
    if left.shape != right.shape:
        return math.inf
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0))


def differing(left: np.ndarray, right: np.ndarray) -> npt.NDArray[np.bool_]:
    """Returns a mask of entries that differ: integers exactly, floats by more than the tolerance.

    If the shapes differ, every entry of `left` is marked.
    """
    if left.shape != right.shape:
        return np.ones(left.shape, bool)
    if not np.issubdtype(left.dtype, np.floating):
        return left != right
    largest = np.abs(left[np.isfinite(left)]).max(initial=0)
    return ~np.isclose(left, right, rtol=0, atol=FLOAT_TOLERANCE * largest, equal_nan=True)


def isolate(operator: Operator) -> Model:
    """Returns a single-operator model with the operator's constants; its other inputs become graph inputs, in order.

    Args:
        operator: operator of a loaded model; shared, not copied.
    """
    return build(operator, outputs=operator.outputs)


def first_difference(
    left: Runtime,
    right: Runtime,
    inputs: Sequence[np.ndarray],
    left_tensors: Mapping[int, np.ndarray],
    right_tensors: Mapping[int, np.ndarray],
) -> OperatorDifference | None:
    """Returns the first operator whose output differs between two runtimes; None if all agree.

    All tensors before it are equal, so its inputs are equal in both runtimes. The operator is also run as an isolated
    model to see whether it differs there.

    Args:
        left: runtime with the model loaded.
        right: another runtime with the same model loaded.
        inputs: the inputs of both runs.
        left_tensors: result of `left.tensors` for them; tensors missing from either side are skipped.
        right_tensors: result of `right.tensors` for them.
    """
    graph = left.model.main
    numbers = {tensor: number for number, tensor in enumerate(graph.tensors)}
    for number, operator in enumerate(graph.operators):
        for tensor in operator.outputs:
            at = numbers[tensor]
            if at not in left_tensors or at not in right_tensors:
                continue
            entries = differing(left_tensors[at], right_tensors[at])
            if entries.any():
                values = dict(zip(graph.inputs, inputs, strict=True))
                values |= {graph.tensors[other]: value for other, value in left_tensors.items()}
                return OperatorDifference(
                    operator=number,
                    code=operator.code,
                    tensor=at,
                    name=tensor.name,
                    differing=int(entries.sum()),
                    entries=entries.size,
                    largest=largest_difference(left_tensors[at], right_tensors[at]),
                    alone=_differs_alone(operator, values, left, right),
                )
    return None


def _differs_alone(operator: Operator, values: Mapping[Tensor, np.ndarray], left: Runtime, right: Runtime) -> bool:
    cut = ModelFile.of(isolate(operator))
    given = [values[tensor] for tensor in cut.model.main.inputs]
    sides = [type(runtime)(cut).invoke(*given) for runtime in (left, right)]
    return any(differing(*outputs).any() for outputs in zip(*sides, strict=True))
