"""Traces one image through a flatbuffer: values, saturation and error of every operator.

>>> import numpy as np
>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.analysis.explain import explain
>>> steps = explain(flatbuffer.read("shuffle_int8.tflite"), np.zeros((1, 112, 112, 3), np.int8))  # doctest: +SKIP
>>> steps[1].operator.code, steps[1].saturated  # doctest: +SKIP
('CONV_2D', (0, 12))

The integers are bit-exact with a device (`seesaw_keras.tflite.reference`). An operator's own error is relative to the
same operator in floating point, applied to its dequantized inputs. The accumulated error is relative to the float
network, whose computed tensors have the same names (assigned by `seesaw_keras.tflite.conversion`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Model, Operator, Tensor, build
from seesaw_keras.tflite.reference import Flavor, Interpreter

__all__ = ["DATA_MOVEMENT", "Step", "explain", "relative_error"]

# Operators that compute no new values; their outputs need no report of their own.
_DATA_MOVEMENT = """
CONCATENATION EXPAND_DIMS GATHER MAX_POOL_2D PACK PAD PADV2 RESHAPE SHAPE SLICE SPLIT SPLIT_V SQUEEZE STRIDED_SLICE
TRANSPOSE
"""
DATA_MOVEMENT = frozenset(_DATA_MOVEMENT.split())
_PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_INTEGERS = ("INT8", "UINT8")


@dataclass(frozen=True, eq=False)
class Step:
    """Result of one operator for the image.

    Attributes:
        number: index of the operator.
        operator: the operator.
        output: output tensor.
        values: entries of the tensor.
        float_output: floating-point result of the operator for its dequantized inputs; None if the operator is not
            integer arithmetic.
        expected: the same tensor in the float network; None if unknown.
    """

    number: int
    operator: Operator
    output: Tensor
    values: npt.NDArray
    float_output: npt.NDArray[np.float32] | None
    expected: npt.NDArray[np.float32] | None

    @property
    def real(self) -> npt.NDArray[np.float32]:
        """The dequantized entries."""
        return self.output.real(self.values)

    @property
    def representable(self) -> tuple[float, float] | None:
        """The range of real numbers that the integers can represent; None without a scale."""
        if self.output.quantization is None or not np.issubdtype(self.values.dtype, np.integer):
            return None
        limits = np.iinfo(self.values.dtype)
        low, high = self.output.real(np.array([limits.min, limits.max]))
        return float(low), float(high)

    @property
    def clipped(self) -> npt.NDArray[np.int8]:
        """Per entry: -1 below, 1 above (by at least half a step) and 0 within the representable range."""
        if self.float_output is None or self.representable is None or self.output.quantization is None:
            return np.zeros(self.values.shape, np.int8)
        low, high = self.representable
        half = self.output.quantization.scale / 2
        return (self.float_output > high + half).astype(np.int8) - (self.float_output < low - half).astype(np.int8)

    @property
    def saturated(self) -> tuple[int, int]:
        """Number of entries clamped to the minimum and to the maximum integer."""
        return int((self.clipped < 0).sum()), int((self.clipped > 0).sum())

    @property
    def own_error(self) -> float | None:
        """Error that the operator itself introduces by rounding and clamping; see `relative_error`."""
        return None if self.float_output is None else relative_error(self.real, self.float_output)

    @property
    def error(self) -> float | None:
        """Accumulated error relative to the float network; see `relative_error`."""
        return None if self.expected is None else relative_error(self.real, self.expected)


def relative_error(made: npt.NDArray, expected: npt.NDArray) -> float | None:
    """Returns the RMS of the differences divided by the RMS of the expected values; None if the latter is 0."""
    expected = expected.astype(np.float64)
    size = np.sqrt((expected**2).mean())
    return float(np.sqrt(((made - expected) ** 2).mean()) / size) if size > 0 else None


def explain(
    model: Model,
    image: npt.NDArray,
    real: tuple[Model, npt.NDArray[np.float32]] | None = None,
    *,
    flavor: Flavor = "litert",
) -> list[Step]:
    """Runs a network on one image.

    Args:
        model: model with one input.
        image: input of the model's input shape and dtype.
        real: the float network, and the same image as its input.
        flavor: runtime to reproduce; see `seesaw_keras.tflite.reference`.

    Returns:
        One step per computed tensor, in execution order.

    Raises:
        ValueError: an operator is not supported, or an image does not match its model's input.
    """
    values = {tensor: array[0] for tensor, array in Interpreter(model, flavor).tensors(image[None]).items()}
    expected = _by_name(*real) if real is not None else {}
    steps = []
    for number, operator in enumerate(model.main.operators):
        float_outputs = _float_outputs(operator, values)
        for output in operator.outputs:
            counterpart = expected.get(output.name)
            same = counterpart is not None and counterpart.shape == values[output].shape
            steps.append(
                Step(number, operator, output, values[output], float_outputs.get(output), counterpart if same else None)
            )
    return steps


def _float_outputs(operator: Operator, values: Mapping[Tensor, npt.NDArray]) -> dict[Tensor, npt.NDArray[np.float32]]:
    """Floating-point outputs of an integer operator for its dequantized inputs; empty for other operators."""
    if operator.code in DATA_MOVEMENT | {"QUANTIZE", "DEQUANTIZE"} or operator.outputs[0].type not in _INTEGERS:
        return {}
    taken = [_dequantized_input(operator, index) for index in range(len(operator.inputs))]
    made = [Tensor(tensor.name, values[tensor].shape, "FLOAT32") for tensor in operator.outputs]
    model = build(Operator(operator.code, taken, made, operator.options), outputs=made)
    given = [
        tensor.real(values[tensor])[None]
        for mine, tensor in zip(taken, operator.inputs, strict=True)
        if mine is not None and tensor is not None and mine.data is None
    ]
    outputs = Interpreter(model).run(*given)
    return {tensor: array[0] for tensor, array in zip(operator.outputs, outputs, strict=True)}


def _dequantized_input(operator: Operator, index: int) -> Tensor | None:
    """An integer operator's input in floating point; axes and similar inputs are unchanged."""
    tensor = operator.inputs[index]
    if tensor is None:
        return None
    if operator.code in _PRODUCTS and index == 2 and tensor.data is not None:
        return Tensor.constant(tensor.name, (tensor.data * _bias_scale(operator)).astype(np.float32))
    if tensor.type not in _INTEGERS:
        return tensor
    if tensor.data is None:
        return Tensor(tensor.name, tensor.shape, "FLOAT32")
    return Tensor.constant(tensor.name, tensor.real(tensor.data))


def _bias_scale(operator: Operator) -> npt.NDArray[np.float32]:
    """The scale of a bias; kernels ignore the one stored in the file."""
    x, weights = operator.inputs[:2]
    assert x is not None and x.quantization is not None and weights is not None and weights.quantization is not None
    return x.quantization.scales * weights.quantization.scales


def _by_name(model: Model, image: npt.NDArray[np.float32]) -> Mapping[str, npt.NDArray[np.float32]]:
    """A float network's tensors by name, without ambiguous names."""
    values = Interpreter(model).tensors(image[None])
    names = [tensor.name for tensor in values]
    return {tensor.name: array[0] for tensor, array in values.items() if names.count(tensor.name) == 1}
