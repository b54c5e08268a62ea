"""What quantization costs, tensor by tensor: signal to quantization noise between a float network and its int8 form.

>>> from seesaw_keras.tflite.analysis.quantization_error import error_table, quantization_errors
>>> errors = quantization_errors(float_bytes, int8_bytes, images)  # doctest: +SKIP
>>> print(error_table(errors))  # doctest: +SKIP

Signal to noise is the mean square of a tensor's float entries over that of their differences to what the int8 integers
stand for, in decibels: 20 dB are a tenth of the signal in amplitude, 6 dB more are a bit more. Two of them tell where
to look: the noise of all that was computed so far, and the noise that the tensor's own scale and zero point make of
exact entries. A layer whose own figure is low has a range that does not fit it (few images, or an outlier that
stretches it); where the first alone is low, the noise came with its inputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.conversion.interface import pixel_table
from seesaw_keras.tflite.flatbuffer import Tensor
from seesaw_keras.tflite.runtimes import Runtime, open_runtime

__all__ = ["TensorError", "error_table", "quantization_errors", "worst"]

_LARGEST = 100.0  # decibels; more is a constant tensor, or none of its entries moved
# What only copies makes no noise: its tensors would stand beside those that it copied.
_COPIES = ("CONCATENATION", "GATHER", "PAD", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "TRANSPOSE")

Progress = Callable[[str, int, int], object]


class TensorError(NamedTuple):
    """The noise in one tensor.

    Attributes:
        name: of the tensor; the layer that computes it.
        code: of the operator.
        total: signal to noise in dB, of all noise up to here.
        own: signal to noise in dB, of this tensor's rounding and clipping alone.
    """

    name: str
    code: str
    total: float
    own: float


def quantization_errors(
    real: bytes,
    quantized: bytes,
    images: npt.NDArray[np.uint8],
    *,
    progress: Progress = lambda stage, done, total: None,
) -> list[TensorError]:
    """Runs a float and an int8 network side by side, and compares all tensors that have the same name in both.

    Args:
        real: the network as `convert` makes it with type "float32".
        quantized: the same network with type "int8".
        images: uint8 RGB (n, height, width, 3), one or more.
        progress: called with a stage, how many images are done, and of how many.

    Returns:
        One for each int8 tensor that an operator computes, does not only copy, and the float network has, in the order
        of computation.

    Raises:
        ValueError: one of them is not of `convert`, or they have no tensor in common.
        ImportError: LiteRT is not installed.
    """
    floats, integers = open_runtime("xnnpack", real), open_runtime("reference", quantized)
    by_name = {tensor.name: number for number, tensor in enumerate(floats.model.main.tensors)}
    by_tensor = {tensor: number for number, tensor in enumerate(integers.model.main.tensors)}
    computed = {
        tensor: operator.code
        for tensor, operator in integers.model.main.producers().items()
        if tensor.type == "INT8" and operator.code not in _COPIES and tensor.name in by_name
    }
    if not computed:
        raise ValueError("the float and the int8 network have no tensor of the same name")
    tables = [_table(runtime) for runtime in (floats, integers)]
    powers = {tensor: np.zeros(3) for tensor in computed}  # of the signal, all noise, own noise
    for done, image in enumerate(images, 1):
        expected, made = (r.tensors(table[image][None]) for r, table in zip((floats, integers), tables, strict=True))
        for tensor, power in powers.items():
            power += _powers(tensor, expected[by_name[tensor.name]], made[by_tensor[tensor]])
        progress("errors", done, len(images))
    return [
        TensorError(tensor.name, computed[tensor], _decibels(signal, noise), _decibels(signal, own))
        for tensor, (signal, noise, own) in powers.items()
    ]


def _table(runtime: Runtime) -> np.ndarray:
    table = pixel_table(runtime.model)
    if table is None:
        raise ValueError("a network of other origin: what it wants of pixels is not known")
    return table


def _powers(tensor: Tensor, expected: np.ndarray, made: np.ndarray) -> tuple[float, float, float]:
    """Sums of squares: of the float entries, of the int8 ones' difference to them, of their own rounding's."""
    assert tensor.quantization is not None
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(expected / np.float32(tensor.quantization.scale)) + tensor.quantization.zero_point
    rounded = tensor.real(np.clip(steps, limits.min, limits.max))
    return tuple(  # type: ignore[return-value]
        float(np.square(values, dtype=np.float64).sum())
        for values in (expected, tensor.real(made) - expected, rounded - expected)
    )


def _decibels(signal: float, noise: float) -> float:
    ratio = signal / noise if noise else np.inf
    return float(min(_LARGEST, 10 * np.log10(ratio))) if ratio else -_LARGEST


def worst(errors: list[TensorError], count: int = 10) -> list[TensorError]:
    """Returns the tensors with the least signal to noise, the worst first."""
    return sorted(errors, key=lambda error: error.total)[:count]


def error_table(errors: list[TensorError], count: int = 10) -> str:
    """Returns the worst tensors as lines for people."""
    rows = worst(errors, count)
    width = max(len(error.name) for error in rows)
    lines = [f"{error.name:{width}}  {error.code:17}  {error.total:>6.1f}  {error.own:>6.1f}" for error in rows]
    head = f"signal to quantization noise, the {len(rows)} worst of {len(errors)} tensors"
    return "\n".join([f"{head}:", f"{'':{width}}  {'':17}  all dB  own dB", *lines])
