"""Signal-to-quantization-noise ratio per tensor, between a float network and its int8 version.

>>> from seesaw_keras.tflite.analysis.quantization_error import error_table, quantization_errors
>>> errors = quantization_errors(float_model, int8_model, images)  # doctest: +SKIP
>>> print(error_table(errors))  # doctest: +SKIP

The signal-to-noise ratio is the mean square of a tensor's float entries divided by that of their differences to the
dequantized int8 entries, in decibels: at 20 dB the noise amplitude is a tenth of the signal's, and each additional bit
gives 6 dB. Two values are reported: the accumulated noise of all computation so far, and the noise that the tensor's
own scale and zero point add to exact entries. A low own value indicates a range that does not fit the layer (too few
images, or an outlier that stretches the range); if only the accumulated value is low, the noise comes from the inputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.conversion.interface import pixel_table
from seesaw_keras.tflite.flatbuffer import ModelSource, Tensor
from seesaw_keras.tflite.runtimes import Runtime, open_runtime

__all__ = ["TensorError", "error_table", "quantization_errors", "worst"]

_LARGEST = 100.0  # decibels; higher only for constant or exactly represented tensors
# Operators that only copy add no noise; their outputs would repeat their inputs' results.
_COPIES = ("CONCATENATION", "GATHER", "PAD", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "TRANSPOSE")

Progress = Callable[[str, int, int], object]


class TensorError(NamedTuple):
    """Quantization noise of one tensor.

    Attributes:
        name: name of the tensor and of the layer that computes it.
        code: operator name.
        total: signal-to-noise ratio in dB, for the accumulated noise.
        own: signal-to-noise ratio in dB, for this tensor's own rounding and clipping.
    """

    name: str
    code: str
    total: float
    own: float


def quantization_errors(
    real: ModelSource,
    quantized: ModelSource,
    images: npt.NDArray[np.uint8],
    *,
    progress: Progress = lambda stage, done, total: None,
) -> list[TensorError]:
    """Runs a float and an int8 network side by side and compares all tensors with the same name.

    Args:
        real: the network converted by `convert` with type "float32"; see `open_runtime`.
        quantized: the same network converted with type "int8".
        images: uint8 RGB (n, height, width, 3); n >= 1.
        progress: called with a stage name, the number of finished images and their total.

    Returns:
        One entry per int8 tensor that an operator computes (not only copies) and that the float network also has, in
        execution order.

    Raises:
        ValueError: a model was not made by `convert`, or they have no tensor in common.
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
        raise ValueError("the float and the int8 network have no tensor name in common")
    tables = [_table(runtime) for runtime in (floats, integers)]
    powers = {tensor: np.zeros(3) for tensor in computed}  # powers of signal, accumulated noise, own noise
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
        raise ValueError("unknown input preprocessing: the network was not converted by seesaw_keras")
    return table


def _powers(tensor: Tensor, expected: np.ndarray, made: np.ndarray) -> tuple[float, float, float]:
    """Sums of squares: the float entries, the int8 entries' difference to them, and the tensor's own rounding."""
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
    """Returns the tensors with the lowest signal-to-noise ratio, worst first."""
    return sorted(errors, key=lambda error: error.total)[:count]


def error_table(errors: list[TensorError], count: int = 10) -> str:
    """Returns a text table of the worst tensors."""
    rows = worst(errors, count)
    width = max(len(error.name) for error in rows)
    lines = [f"{error.name:{width}}  {error.code:17}  {error.total:>6.1f}  {error.own:>6.1f}" for error in rows]
    head = f"signal-to-quantization-noise ratio, worst {len(rows)} of {len(errors)} tensors"
    return "\n".join([f"{head}:", f"{'':{width}}  {'':17}  all dB  own dB", *lines])
