"""A TensorFlow Lite model as plain objects: operators reference tensor objects; constants are NumPy arrays.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> image = Tensor("image", (1, 8, 8, 3), "INT8", Quantization(0.5, -128))
>>> halved = Tensor("halved", (1, 4, 4, 3), "INT8", Quantization(0.5, -128))
>>> pool = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
>>> model = build(Operator("AVERAGE_POOL_2D", [image], [halved], pool))
>>> model.main.operators[0].options["padding"]
'SAME'

Operators reference tensor objects instead of indices: a pass can replace, add or remove a tensor without renumbering,
and indices are assigned when the model is written, in the order of `Subgraph.tensors`. Objects compare by identity, so
tensors and operators can be dictionary keys.
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
    """Raised for a model that cannot be read or written; the message names the file and the field."""


class Quantization:
    """Quantization parameters: real = scale * (integer - zero point).

    >>> Quantization(0.5, -3).scale
    0.5

    Attributes:
        scales: float32 of shape (1,) for per-tensor quantization, or (channels,) for per-channel quantization along
            `axis`.
        zero_points: int64, of the same shape.
        axis: quantized dimension; 0 for per-tensor quantization.
    """

    def __init__(self, scales: npt.ArrayLike, zero_points: npt.ArrayLike = 0, axis: int = 0) -> None:
        """Accepts one scale or several; a single zero point is broadcast."""
        self.scales = np.array(scales, np.float32).reshape(-1)
        self.zero_points = np.array(zero_points, np.int64).reshape(-1)
        if self.zero_points.size == 1:
            self.zero_points = np.repeat(self.zero_points, self.scales.size)
        self.axis = axis

    def __repr__(self) -> str:
        return f"Quantization({self.scales.tolist()}, {self.zero_points.tolist()}, axis={self.axis})"

    @property
    def scale(self) -> float:
        """The per-tensor scale; raises ValueError for per-channel quantization."""
        return float(self.scales.item())

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point; raises ValueError for per-channel quantization."""
        return int(self.zero_points.item())


@dataclass(eq=False)
class Tensor:
    """A tensor of the graph.

    Attributes:
        name: descriptive name; need not be unique.
        shape: static shape; dynamic dimensions have their initial size (see `shape_signature`).
        type: type name in the schema: "INT8", "INT32", "FLOAT32", "BOOL", ...
        quantization: quantization parameters; None if the tensor is not quantized.
        data: value of a constant, with the shape and type above; None for computed tensors and inputs. Types without a
            NumPy equivalent (STRING, INT4, INT2, UINT4, BFLOAT16, FLOAT8_*) are stored as their raw bytes, a 1-d uint8
            array. The arrays of a loaded model are read-only views of the file: assign a new array to change them.
        shape_signature: the shape with -1 for dynamic dimensions; None if the shape is static.
        is_variable: whether the value persists between runs.
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
            raise FlatbufferError(
                f"tensor {self.name!r}: unknown type {self.type!r}; expected a schema type such as INT8 or FLOAT32"
            )

    @classmethod
    def constant(cls, name: str, data: npt.ArrayLike, quantization: Quantization | None = None) -> "Tensor":
        """Creates a constant with the shape and type of an array.

        Raises:
            FlatbufferError: TensorFlow Lite has no corresponding type.
        """
        array = np.asarray(data)
        if array.dtype not in _TYPES:
            raise FlatbufferError(f"tensor {name!r}: TensorFlow Lite has no type for NumPy's {array.dtype}")
        return cls(name, array.shape, _TYPES[array.dtype], quantization, array)

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype.

        Raises:
            FlatbufferError: NumPy has no corresponding dtype.
        """
        if self.type not in _DTYPES:
            raise FlatbufferError(f"tensor {self.name!r}: NumPy has no type {self.type}")
        return _DTYPES[self.type]

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Size of an entry in bits; 0 for STRING, RESOURCE and VARIANT, which have no fixed size."""
        return _BITS.get(self.type, 0)

    @property
    def nbytes(self) -> int:
        """Size of all entries in bytes."""
        return (self.size * self.bits + 7) // 8

    @property
    def is_packed(self) -> bool:
        """Whether `data` holds raw file bytes because NumPy lacks the type."""
        return self.type not in _DTYPES

    def real(self, values: np.ndarray) -> npt.NDArray[np.float32]:
        """Dequantizes values of this tensor: scale * (integer - zero point); unchanged if it is not quantized.

        Args:
            values: array of the tensor's shape; with per-tensor quantization, of any shape, such as a batch.
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
    """An operator of the graph.

    Attributes:
        code: operator name in the schema, such as "CONV_2D"; "CUSTOM" operators are named by `custom_code`.
        inputs: input tensors; None for omitted optional inputs.
        outputs: output tensors.
        options: options by schema name; enumerations are strings, vectors tuples. Missing options get the schema's
            defaults, except strides, which get 1 (the schema's default of 0 is invalid for every kernel).
        version: operator version; runtimes reject versions newer than they support.
        custom_code: name of a custom operator.
        custom_options: options of a custom operator, in its own format.
        mutating_variable_inputs: for each input, whether it is modified; () for none.
        intermediates: tensors for internal use by the kernel (LSTM).
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
            raise FlatbufferError(f"unknown operator {self.code!r}; expected a schema name such as CONV_2D or ADD")
        known = default_options(self.code)
        if unknown := self.options.keys() - known.keys():
            raise FlatbufferError(f"{self.code} has no option {min(unknown)!r}; its options are {sorted(known)}")
        self.options = {**known, **self.options}


@dataclass(eq=False)
class Subgraph:
    """Tensors and operators, in execution order.

    Attributes:
        tensors: all tensors that operators, inputs or outputs reference; the position in the list is the index in the
            file.
        inputs: graph inputs.
        outputs: graph outputs.
        operators: operators in topological order.
        name: function name.
    """

    tensors: list[Tensor]
    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: list[Operator]
    name: str = "main"

    def producers(self) -> dict[Tensor, Operator]:
        """Returns the producer of each computed tensor."""
        return {tensor: operator for operator in self.operators for tensor in operator.outputs}

    def consumers(self) -> dict[Tensor, list[Operator]]:
        """Returns the consumers of each tensor in execution order, without duplicates; [] if there are none."""
        consumers: dict[Tensor, list[Operator]] = {tensor: [] for tensor in self.tensors}
        for operator in self.operators:
            for tensor in dict.fromkeys(operator.inputs):
                if tensor is not None:
                    consumers[tensor].append(operator)
        return consumers


@dataclass(eq=False)
class Signature:
    """A signature: named inputs and outputs of a subgraph.

    Attributes:
        key: signature name, such as "serving_default".
        inputs: input tensors by name.
        outputs: output tensors by name.
        subgraph: subgraph that holds the tensors.
    """

    key: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    subgraph: Subgraph


@dataclass(eq=False)
class Model:
    """A complete TensorFlow Lite model.

    Attributes:
        subgraphs: the first one is the main subgraph; control-flow operators call the others by index.
        signatures: signatures.
        metadata: metadata buffers by name.
        description: free-text description.
    """

    subgraphs: list[Subgraph]
    signatures: list[Signature] = field(default_factory=list)
    metadata: dict[str, bytes] = field(default_factory=dict)
    description: str = ""

    @property
    def main(self) -> Subgraph:
        """The first subgraph, which runtimes execute."""
        return self.subgraphs[0]


def build(
    *operators: Operator, inputs: Iterable[Tensor] | None = None, outputs: Iterable[Tensor] | None = None
) -> Model:
    """Creates a model from operators in execution order.

    Args:
        operators: one or more operators.
        inputs: graph inputs; by default every tensor without data that no operator computes.
        outputs: graph outputs; by default every computed tensor without consumers.

    Returns:
        A model with one subgraph; tensors are listed in order of appearance, inputs first.
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
