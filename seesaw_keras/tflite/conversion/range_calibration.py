"""Calibration of int8 tensor ranges: per-tensor ranges of a float flatbuffer, measured on images.

>>> import numpy as np
>>> from seesaw_keras.tflite.conversion.range_calibration import measure_ranges
>>> images = np.zeros((1, 112, 112, 3), np.uint8)
>>> ranges = measure_ranges("shuffle_float32.tflite", images)  # doctest: +SKIP
>>> ranges[0]  # doctest: +SKIP
Range(minimum=-1.0, maximum=-1.0)

The range with the least error is not the full span of the values. A trained stem outputs -42 to 42 while most of its
channels stay within 2: with 255 steps over such a span the low-variance channels are noise, and the following depthwise
convolution, which normalizes each channel separately, amplifies that noise to full scale. The range is therefore
narrowed to minimize quantization noise relative to each channel's own variance, trading clipping at the ends against
rounding inside. (Least-squares clipping over the whole tensor is known from arXiv 1810.05723; the per-channel weighting
is ours.) It raises the mean cosine between float and int8 embeddings of `phone`, trained on faces, from 0.895 to 0.987
(`benchmarks/representative.py --test 64`).

TensorFlow Lite's own calibrator is slower and overestimates ranges: it reads an operator's inputs after the operator
ran, when ADD and MUL have already overwritten one of them in place. A swish before an ADD, whose minimum is -0.28, got
the range of the sum and thus a scale 2.7 times too coarse (dw_v2, TensorFlow 2.21).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from seesaw_keras.tflite.conversion.interface import to_float
from seesaw_keras.tflite.flatbuffer import ModelFile, ModelSource

__all__ = ["SHARES", "Range", "least_noise_share", "measure_ranges"]

SHARES = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.125)  # candidate fractions of the span
_MAX_IMAGES, _MAX_PIXELS = 16, 256  # sample for the noise estimate: at most this many images, and pixels per image
_MIN_VARIANCE = 0.1  # lower bound of a channel's variance for weighting, as a fraction of the median variance


class Range(NamedTuple):
    """Value range that is quantized without clipping."""

    minimum: float
    maximum: float

    def narrowed(self, share: float) -> "Range":
        """Clips both ends to a fraction of the larger absolute bound."""
        reach = share * max(-self.minimum, self.maximum)
        return Range(max(min(self.minimum, reach), -reach), min(max(self.maximum, -reach), reach))


def least_noise_share(values: npt.NDArray[np.float32], span: Range) -> float:
    """Returns the fraction of a span that minimizes int8 quantization noise; see `Range.narrowed`.

    Args:
        values: float32 (n, height, width, channels); with a single pixel per image there are too few samples per
            channel, and the result is 1.
        span: range of all values.

    Returns:
        An element of `SHARES`.
    """
    noise = _Noise()
    noise.add(values, span)
    return noise.least()


def measure_ranges(model: ModelSource, images: npt.NDArray[np.uint8]) -> dict[int, Range]:
    """Runs a float flatbuffer on images and returns ranges of the input and of all computed float tensors.

    Args:
        model: path, contents, `Model` or `ModelFile` with one input (1, height, width, 3) in [-1, 1].
        images: uint8 RGB (n, height, width, 3); n >= 1.

    Returns:
        Ranges by tensor index in the file; the input's range is its full span.
    """
    file = ModelFile.of(model)
    graph = file.model.main
    computed = {*graph.inputs, *graph.producers()}
    numbers = [n for n, tensor in enumerate(graph.tensors) if tensor in computed and tensor.type == "FLOAT32"]
    run = _runner(file.data, numbers)
    lows, highs = np.full(len(numbers), np.inf), np.full(len(numbers), -np.inf)
    for image in images:
        values = run(image)
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    spans = [Range(low, high) for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]
    noises = [_Noise() for _ in numbers]
    for image in images[:: -(-len(images) // _MAX_IMAGES)]:
        for noise, value, span in zip(noises, run(image), spans, strict=True):
            noise.add(value, span)
    inputs = {n for n in numbers if graph.tensors[n] in graph.inputs}
    return {
        n: span if n in inputs else span.narrowed(noise.least())
        for n, span, noise in zip(numbers, spans, noises, strict=True)
    }


def _runner(data: bytes, numbers: list[int]) -> Callable[[npt.NDArray[np.uint8]], list[npt.NDArray[np.float32]]]:
    interpreter = Interpreter(
        model_content=data,
        # XNNPACK hides the intermediate tensors of its partitions; no tensor may be overwritten.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]

    def run(image: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        interpreter.set_tensor(given, to_float(image)[None])
        interpreter.invoke()
        return [interpreter.get_tensor(number) for number in numbers]

    return run


class _Noise:
    """Squared error per fraction and channel, accumulated over batches, and the variance to weight it by."""

    def __init__(self) -> None:
        self._errors: Any = 0.0
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: npt.NDArray[np.float32], span: Range) -> None:
        """Adds a batch, or a sample of its pixels."""
        if values.ndim != 4 or values.shape[1] * values.shape[2] == 1:
            return
        rows = values.reshape(-1, values.shape[-1])
        rows = rows[:: -(-len(rows) // (_MAX_PIXELS * len(values)))]
        self._errors += np.stack([_squared_error(rows, span.narrowed(share)) for share in SHARES])
        self._count += len(rows)
        self._sum += rows.sum(0, dtype=np.float64)
        self._squares += np.square(rows, dtype=np.float64).sum(0)

    def least(self) -> float:
        """The fraction with the least noise; the widest one on ties."""
        if not self._count:
            return SHARES[0]
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        floor = max(_MIN_VARIANCE * float(np.median(variance)), np.finfo(np.float32).tiny)
        return SHARES[int(np.argmin((self._errors / np.maximum(variance, floor)).sum(1)))]


def _squared_error(rows: npt.NDArray[np.float32], limits: Range) -> npt.NDArray[np.float64]:
    """Squared error per channel of quantizing to 255 steps with clipping, between limits widened to include zero."""
    low, high = min(limits.minimum, 0.0), max(limits.maximum, 0.0)
    step = np.float32(max(high - low, np.finfo(np.float32).tiny * 255) / 255)
    first = np.round(np.float32(low) / step)
    error = np.clip(np.round(rows / step), first, first + 255) * step - rows
    return np.square(error).sum(0, dtype=np.float64)
