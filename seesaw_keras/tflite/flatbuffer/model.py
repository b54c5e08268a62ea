"""A TensorFlow Lite model as plain objects: tensors that operators point to, constants as NumPy arrays.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> image = Tensor("image", (1, 8, 8, 3), "INT8", Quantization(0.5, -128))
>>> halved = Tensor("halved", (1, 4, 4, 3), "INT8", Quantization(0.5, -128))
>>> pool = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
>>> model = build(Operator("AVERAGE_POOL_2D", [image], [halved], pool))
>>> model.main.operators[0].options["padding"]
'SAME'

Operators hold the tensors themselves, not numbers: a pass replaces, adds or drops a tensor without renumbering, and
the numbers are given when the model is written, in the order of `Subgraph.tensors`. Objects are compared by identity,
so that tensors and operators can be keys of a dictionary.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer.schema import ENUMS, default_options

__all__ = ["FlatbufferError", "Model", "Operator", "Quantization", "Signature", "Subgraph", "Tensor", "build"]

_TYPES = {np.dtype(name.lower()): name for name in ENUMS["TensorType"] if hasattr(np, name.lower())}
_DTYPES = {name: dtype for dtype, name in _TYPES.items()}
_BITS = {name: 8 * dtype.itemsize for name, dtype in _DTYPES.items()} | {
    "INT2": 2,
    "INT4": 4,
    "UINT4": 4,
    "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
    "BFLOAT16": 16,
}


class FlatbufferError(ValueError):
    """A model that cannot be read or written; the message names the file and the field."""


class Quantization:
    """How integers stand for real values: real = scale * (integer - zero point).

    >>> Quantization(0.5, -3).scale
    0.5

    Attributes:
        scales: float32, shape (1,), or (channels,) with a scale for each entry along `axis`.
        zero_points: int64, as many as scales.
        axis: the dimension of the tensor along which the scales lie; 0 with one scale.
    """

    def __init__(self, scales: npt.ArrayLike, zero_points: npt.ArrayLike = 0, axis: int = 0) -> None:
        """Takes one scale or many; a single zero point stands for all."""
        self.scales = np.array(scales, np.float32).reshape(-1)
        self.zero_points = np.array(zero_points, np.int64).reshape(-1)
        if self.zero_points.size == 1:
            self.zero_points = np.repeat(self.zero_points, self.scales.size)
        self.axis = axis

    def __repr__(self) -> str:
        return f"Quantization({self.scales.tolist()}, {self.zero_points.tolist()}, axis={self.axis})"

    @property
    def scale(self) -> float:
        """The one scale; ValueError where channels have their own."""
        return float(self.scales.item())

    @property
    def zero_point(self) -> int:
        """The one zero point; ValueError where channels have their own."""
        return int(self.zero_points.item())


@dataclass(eq=False)
class Tensor:
    """A value of the graph.

    Attributes:
        name: for people; it need not be unique.
        shape: its dimensions, as far as they are known before the first run (see `shape_signature`).
        type: its type as the schema spells it: "INT8", "INT32", "FLOAT32", "BOOL", ...
        quantization: what its integers stand for.
        data: the value of a constant, with the shape and type above, and None for what is computed. Types that NumPy
            lacks (STRING, INT4, INT2, UINT4, BFLOAT16, FLOAT8_*) are their bytes in the file, a 1-d uint8 array.
            Arrays of a model read from a file are read-only views of it: put another array in their place.
        shape_signature: the shape with -1 where it is free; None where all is fixed.
        is_variable: whether its value outlives a run.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    quantization: Quantization | None = None
    data: np.ndarray | None = field(default=None, repr=False)
    shape_signature: tuple[int, ...] | None = None
    is_variable: bool = False

    def __post_init__(self) -> None:
        self.shape = tuple(self.shape)
        if self.type not in ENUMS["TensorType"]:
            raise FlatbufferError(f"tensor {self.name!r}: there is no type {self.type!r}; INT8, FLOAT32, ...")

    @classmethod
    def constant(cls, name: str, data: npt.ArrayLike, quantization: Quantization | None = None) -> "Tensor":
        """Makes a constant with the shape and type of an array.

        Raises:
            FlatbufferError: TensorFlow Lite has no such type.
        """
        array = np.asarray(data)
        if array.dtype not in _TYPES:
            raise FlatbufferError(f"tensor {name!r}: TensorFlow Lite has no type for NumPy's {array.dtype}")
        return cls(name, array.shape, _TYPES[array.dtype], quantization, array)

    @property
    def dtype(self) -> np.dtype:
        """The type as NumPy knows it.

        Raises:
            FlatbufferError: NumPy has no such type.
        """
        if self.type not in _DTYPES:
            raise FlatbufferError(f"tensor {self.name!r}: NumPy has no type {self.type}")
        return _DTYPES[self.type]

    @property
    def size(self) -> int:
        """How many entries it has."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """The size of an entry; 0 for STRING, RESOURCE and VARIANT, which have none."""
        return _BITS.get(self.type, 0)

    @property
    def nbytes(self) -> int:
        """The size of all entries in bytes."""
        return (self.size * self.bits + 7) // 8

    @property
    def is_packed(self) -> bool:
        """Whether `data` is the bytes of the file, because NumPy lacks the type."""
        return self.type not in _DTYPES

    def real(self, values: np.ndarray) -> npt.NDArray[np.float32]:
        """Returns what values of this tensor stand for: scale * (integer - zero point), or themselves without scale.

        Args:
            values: of its shape; with one scale, of any shape, such as a batch.
        """
        if self.quantization is None:
            return values.astype(np.float32)
        along = [1] * values.ndim
        if self.quantization.scales.size > 1:
            along[self.quantization.axis] = -1
        scales, zero_points = self.quantization.scales.reshape(along), self.quantization.zero_points.reshape(along)
        return (values - zero_points).astype(np.float32) * scales


@dataclass(eq=False)
class Operator:
    """One operation.

    Attributes:
        code: its name in the schema, such as "CONV_2D"; "CUSTOM" has its own in `custom_code`.
        inputs: None where an optional input is left out.
        outputs: what it computes.
        options: by their names in the schema; enumerations are strings, vectors tuples. Those not given get the
            schema's default, and strides 1 (in the schema they are 0, which no kernel takes).
        version: of the operator's meaning; runtimes refuse versions above those that they know.
        custom_code: the name of a custom operator.
        custom_options: its options, in a format of its own.
        mutating_variable_inputs: for each input whether it is changed; () for none.
        intermediates: tensors for the kernel's own use (LSTM).
    """

    code: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    custom_code: str = ""
    custom_options: bytes = b""
    mutating_variable_inputs: tuple[bool, ...] = ()
    intermediates: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.code not in ENUMS["BuiltinOperator"]:
            raise FlatbufferError(f"there is no operator {self.code!r}; CONV_2D, ADD, ...")
        known = default_options(self.code)
        if unknown := self.options.keys() - known.keys():
            raise FlatbufferError(f"{self.code} has no option {min(unknown)!r}; it has {sorted(known)}")
        self.options = {**known, **self.options}


@dataclass(eq=False)
class Subgraph:
    """Tensors and the operators between them, in the order of execution.

    Attributes:
        tensors: every tensor that an operator, input or output names; their order is their numbers in the file.
        inputs: what a caller fills in.
        outputs: what a caller reads.
        operators: each after those whose outputs it takes.
        name: of the function.
    """

    tensors: list[Tensor]
    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: list[Operator]
    name: str = "main"

    def producers(self) -> dict[Tensor, Operator]:
        """Returns for every computed tensor the operator that computes it."""
        return {tensor: operator for operator in self.operators for tensor in operator.outputs}

    def consumers(self) -> dict[Tensor, list[Operator]]:
        """Returns for every tensor the operators that take it, in order, each once; [] for none."""
        consumers: dict[Tensor, list[Operator]] = {tensor: [] for tensor in self.tensors}
        for operator in self.operators:
            for tensor in dict.fromkeys(operator.inputs):
                if tensor is not None:
                    consumers[tensor].append(operator)
        return consumers


@dataclass(eq=False)
class Signature:
    """A named way into a subgraph: names for its inputs and outputs.

    Attributes:
        key: its name, such as "serving_default".
        inputs: tensors by their names.
        outputs: tensors by their names.
        subgraph: the subgraph that holds them.
    """

    key: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    subgraph: Subgraph


@dataclass(eq=False)
class Model:
    """A whole file.

    Attributes:
        subgraphs: the first is the one that runs; control-flow operators call the others by number.
        signatures: named ways in.
        metadata: bytes by name.
        description: a line for people.
    """

    subgraphs: list[Subgraph]
    signatures: list[Signature] = field(default_factory=list)
    metadata: dict[str, bytes] = field(default_factory=dict)
    description: str = ""

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs."""
        return self.subgraphs[0]


def build(
    *operators: Operator, inputs: Iterable[Tensor] | None = None, outputs: Iterable[Tensor] | None = None
) -> Model:
    """Makes a model of operators in the order of execution.

    Args:
        operators: one or more.
        inputs: what a caller fills in; by default every tensor without data that no operator computes.
        outputs: what a caller reads; by default every computed tensor that no operator takes.

    Returns:
        A model of one subgraph, with its tensors in the order in which they appear, inputs first.
    """
    taken = dict.fromkeys(tensor for operator in operators for tensor in operator.inputs if tensor is not None)
    made = dict.fromkeys(tensor for operator in operators for tensor in operator.outputs)
    if inputs is None:
        inputs = [tensor for tensor in taken if tensor.data is None and tensor not in made and not tensor.is_variable]
    if outputs is None:
        outputs = [tensor for tensor in made if tensor not in taken]
    inputs, outputs = list(inputs), list(outputs)
    own = dict.fromkeys(tensor for operator in operators for tensor in operator.intermediates)
    tensors = list(dict.fromkeys([*inputs, *taken, *own, *made, *outputs]))
    return Model([Subgraph(tensors, inputs, outputs, list(operators))])
