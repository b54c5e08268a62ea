"""`quantize_aware()`: a network that emulates int8 arithmetic, to be trained for a while and converted.

>>> import seesaw_keras
>>> from seesaw_keras.compression import quantize_aware
>>> network = seesaw_keras.build("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
>>> aware = quantize_aware(network, images)  # images: float32 (n, 112, 112, 3) in [-1, 1]  # doctest: +SKIP
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.compression.graph import check_plain, copy_of, readers
from seesaw_keras.compression.quantize_configs import quantize_config
from seesaw_keras.compression.quantizers import RangeQuantizer

__all__ = ["quantize_aware"]


def quantize_aware(model: Any, images: npt.NDArray[np.float32]) -> Any:
    """Makes a network that emulates int8 arithmetic in training, of TFMOT's wrappers.

    Kernels have a scale for each output channel, and their zeros stay zeros, in training and in the integers; values
    have the range that they had on `images`, until training moves it. Batch normalisation is folded by the converter;
    with a scale for each channel that is the same as quantizing the folded kernel. The two branches of an uneven pair
    share one range. The input is left as it is: the 256 values of a pixel are 8 bits already.

    Args:
        model: a network from `seesaw_keras.build`, in float32.
        images: float32 (n, side, side, 3) in [-1, 1], all in one batch, to measure the first ranges on.

    Returns:
        A new `keras.Model` with the same weights, whose layers are named `quant_` and the layer's name. The converter
        makes a flatbuffer of it without any float tensor.

    Raises:
        ValueError: the model is quantization-aware or being pruned already, holds a layer that is not known, or
            computes in another precision than float32.
    """
    check_plain(model)
    users = readers(model)

    def wrap(layer: Any) -> Any:
        config = quantize_config(layer, users[layer.name])
        return tfmot.quantization.keras.QuantizeWrapperV2(copy_of(layer), config)

    aware = keras.models.clone_model(model, clone_function=wrap)
    with _measuring(aware):
        aware(images, training=True)
    return aware


@contextmanager
def _measuring(aware: Any) -> Iterator[None]:
    """Within, a call in training takes its batch for all ranges and leaves batch statistics as they are."""
    wrappers = [layer for layer in aware.layers if isinstance(layer, tfmot.quantization.keras.QuantizeWrapperV2)]
    norms = [layer for layer in wrappers if isinstance(layer.layer, keras.layers.BatchNormalization)]
    quantizers = [
        quantizer
        for layer in wrappers
        for quantizer in (*layer._output_quantizers, *(inside.quantizer for inside in layer._quantize_activations))
        if isinstance(quantizer, RangeQuantizer)
    ]
    _set(norms, "trainable", False)
    _set(quantizers, "momentum", 0.0)
    try:
        yield
    finally:
        _set(norms, "trainable", True)
        _set(quantizers, "momentum", RangeQuantizer.MOMENTUM)


def _set(objects: list[Any], attribute: str, value: Any) -> None:
    for one in objects:
        setattr(one, attribute, value)
