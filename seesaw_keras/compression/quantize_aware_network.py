"""`quantize_aware()`: a network that emulates int8 arithmetic, to be trained for a while and converted.

>>> import seesaw_keras
>>> from seesaw_keras.compression import QuantizationNetwork, quantize_aware
>>> network = seesaw_keras.build("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
>>> aware = quantize_aware(network, images)  # images: float32 (n, 112, 112, 3) in [-1, 1]  # doctest: +SKIP

By the trainer:

>>> given = QuantizationNetwork(network, images, freeze_after=1000)  # doctest: +SKIP
>>> aware = given.finished(train(recipe, source, out, network=given))  # doctest: +SKIP
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.compression.layer_graph import check_plain, copy_of, readers, with_unit_length, without_unit_length
from seesaw_keras.compression.quantize_configs import quantize_config
from seesaw_keras.compression.quantizers import RangeQuantizer
from seesaw_keras.tflite.conversion.convert import weights_sha256
from seesaw_keras.training.network import GivenNetwork

__all__ = ["QuantizationNetwork", "quantize_aware"]


def quantize_aware(model: Any, images: npt.NDArray[np.float32]) -> Any:
    """Makes a network that emulates int8 arithmetic in training, of TFMOT's wrappers.

    Kernels have a scale for each output channel, and their zeros stay zeros, in training and in the integers; values
    have the range that loses least on `images` (`tflite.calibration`), until training moves it. Batch normalization is
    folded by the converter; with a scale for each channel that is the same as quantizing the folded kernel. The two
    branches of an uneven pair share one range. The input is left as it is: the 256 values of a pixel are 8 bits
    already.

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
    _set(quantizers, "measuring", True)
    try:
        yield
    finally:
        _set(norms, "trainable", True)
        _set(quantizers, "measuring", False)


def _set(objects: list[Any], attribute: str, value: Any) -> None:
    for one in objects:
        setattr(one, attribute, value)


class QuantizationNetwork(GivenNetwork):
    """A quantization-aware network for `train`.

    Args:
        model: the network, from `seesaw_keras.build`; it stays as it is.
        images: see `quantize_aware`.
        freeze_after: the steps after which ranges and batch statistics stay as they are, and all is computed as the
            flatbuffer will compute it.

    Raises:
        ValueError: see `quantize_aware`, or `freeze_after` is below 0.
    """

    def __init__(self, model: Any, images: npt.NDArray[np.float32], freeze_after: int) -> None:
        check_plain(model)
        if freeze_after < 0:
            raise ValueError(f"freeze_after must be 0 or more steps, got {freeze_after}")
        self._model = without_unit_length(model)
        self._images = images
        self._freeze_after = freeze_after
        self.facts = {"freeze_after": freeze_after, "weights_sha256": weights_sha256(model.get_weights())}

    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Makes the quantization-aware copy."""
        aware = quantize_aware(self._model, self._images)
        return with_unit_length(aware) if normalize else aware

    def forward(self, network: Any, step: Any) -> Any:
        """The network in training, and later not."""
        return _Freezing(network, step, self._freeze_after)

    def finished(self, trained: Any) -> Any:
        """Returns what `train` returned without the unit length of its embeddings, which int8 cannot hold well."""
        return without_unit_length(trained)


class _Freezing:
    """A network that is computed as in training up to a step."""

    def __init__(self, network: Any, step: Any, freeze_after: int) -> None:
        self._network, self._step, self._freeze_after = network, step, freeze_after

    @property
    def trainable_variables(self) -> list[Any]:
        """The network's."""
        return self._network.trainable_variables

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Returns embeddings."""
        return tf.cond(
            tf.logical_and(training, self._step < self._freeze_after),
            lambda: self._network(images, training=True),
            lambda: self._network(images, training=False),
        )
