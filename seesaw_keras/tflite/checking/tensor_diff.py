"""Where two runtimes part: the first operator that computes something else, and that operator as a model of its own.

>>> import numpy as np
>>> from seesaw_keras.tflite.checking.tensor_diff import first_difference
>>> from seesaw_keras.tflite.runtimes import open_runtime
>>> left, right = (open_runtime(name, "network.tflite") for name in ("reference", "micro"))  # doctest: +SKIP
>>> image = np.zeros((1, 112, 112, 3), np.int8)
>>> print(first_difference(left, right, [image], left.tensors(image), right.tensors(image)))  # doctest: +SKIP
operator 412 FULLY_CONNECTED, tensor 733 'embedding': 3 of 512 entries differ, by 1 step at most; alone too
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Model, Operator, Tensor, build, dumps
from seesaw_keras.tflite.runtimes import Runtime

__all__ = [
    "FLOAT_TOLERANCE",
    "OperatorDifference",
    "differing",
    "excerpt",
    "first_difference",
    "in_steps",
    "largest_difference",
]

# Of the largest entry of a float tensor. The order of a sum is a kernel's own affair, so floats are never the same.
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class OperatorDifference:
    """An operator that computes something else in two runtimes, of equal inputs.

    Attributes:
        operator: its number in the main subgraph.
        code: what it does.
        tensor: the number of the output that differs.
        name: of that tensor.
        differing: how many of its entries differ.
        entries: how many it has.
        largest: difference of an entry, in steps; of a float tensor in its own unit.
        alone: whether it differs as a model of its own, too. Otherwise what is around it plays a part, such as where
            its memory lies.
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
        alone = "alone too" if self.alone else "not alone, so what is around it plays a part"
        return (
            f"operator {self.operator} {self.code}, tensor {self.tensor} {self.name!r}: {self.differing} of "
            f"{self.entries} entries differ, by {in_steps(self.largest)} at most; {alone}"
        )


def in_steps(largest: float) -> str:
    """Returns a difference for people: of integers in steps, of floats in their own unit."""
    if largest == 0 or not largest.is_integer():
        return f"{largest:.2g}"
    return f"{largest:.0f} step{'' if largest == 1 else 's'}"


def largest_difference(left: np.ndarray, right: np.ndarray) -> float:
    """Returns the largest difference of an entry; infinity for values of different shapes."""
    if left.shape != right.shape:
        return math.inf
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0))


def differing(left: np.ndarray, right: np.ndarray) -> npt.NDArray[np.bool_]:
    """Returns which entries of two values of a tensor differ: integers at all, floats by more than the tolerance.

    Values of different shapes differ in every entry of `left`.
    """
    if left.shape != right.shape:
        return np.ones(left.shape, bool)
    if not np.issubdtype(left.dtype, np.floating):
        return left != right
    largest = np.abs(left[np.isfinite(left)]).max(initial=0)
    return ~np.isclose(left, right, rtol=0, atol=FLOAT_TOLERANCE * largest, equal_nan=True)


def excerpt(operator: Operator) -> Model:
    """Returns a model of one operator: with its constants, and with what else it takes as inputs, each once, in order.

    Args:
        operator: of a model that was read; it is shared, not copied.
    """
    return build(operator, outputs=operator.outputs)


def first_difference(
    left: Runtime,
    right: Runtime,
    inputs: Sequence[np.ndarray],
    left_tensors: Mapping[int, np.ndarray],
    right_tensors: Mapping[int, np.ndarray],
) -> OperatorDifference | None:
    """Returns the first operator of a model whose output differs between two runtimes, None if there is none.

    Whatever is computed before it is equal, so it has equal inputs in both. To see whether that is all it needs, it is
    run once more as a model of its own.

    Args:
        left: runs the model.
        right: runs the same model.
        inputs: what both were given.
        left_tensors: what `left.tensors` returned for them; tensors that one of the two lacks are passed over.
        right_tensors: what `right.tensors` returned for them.
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
    cut = excerpt(operator)
    data, given = dumps(cut), [values[tensor] for tensor in cut.main.inputs]
    sides = [type(runtime)(data).invoke(*given) for runtime in (left, right)]
    return any(differing(*outputs).any() for outputs in zip(*sides, strict=True))
