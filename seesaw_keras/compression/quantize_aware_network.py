"""`quantize_aware()`: a network that emulates int8 arithmetic, for quantization-aware training and conversion.

>>> import seesaw_keras
>>> from seesaw_keras.compression import QuantizationNetwork, quantize_aware
>>> network = seesaw_keras.build("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
>>> aware = quantize_aware(network, images)  # images: float32 (n, 112, 112, 3) in [-1, 1]  # doctest: +SKIP

With the trainer:

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
from seesaw_keras.compression.layer_graph import check_plain, consumers, copy_of, with_unit_length, without_unit_length
from seesaw_keras.compression.quantize_configs import quantize_config
from seesaw_keras.compression.quantizers import RangeQuantizer
from seesaw_keras.tflite.conversion.convert import weights_sha256
from seesaw_keras.training.network import NetworkProvider

__all__ = ["QuantizationNetwork", "quantize_aware"]


def quantize_aware(model: Any, images: npt.NDArray[np.float32]) -> Any:
    """Returns a network that emulates int8 arithmetic in training, using TFMOT wrappers.

    Kernels are quantized per output channel, and zeros stay zero, in training and in the integers. Activation ranges
    are initialized to those with the least quantization noise on `images` (`tflite.conversion.range_calibration`) and
    then follow training. The converter folds batch normalization; with per-channel scales this is equivalent to
    quantizing the folded kernel. The two branches of an uneven pair share one range. The input is not fake-quantized,
    because pixels already have 8 bits.

    Args:
        model: a float32 network from `seesaw_keras.build`.
        images: float32 (n, side, side, 3) in [-1, 1], processed as one batch to measure the initial ranges.

    Returns:
        A new `keras.Model` with the same weights and the layer names prefixed with `quant_`. It converts to a
        flatbuffer without float tensors.

    Raises:
        ValueError: if the model is already quantization-aware or being pruned, contains an unsupported layer, or does
            not compute in float32.
    """
    check_plain(model)
    consumers_of = consumers(model)

    def wrap(layer: Any) -> Any:
        config = quantize_config(layer, consumers_of[layer.name])
        return tfmot.quantization.keras.QuantizeWrapperV2(copy_of(layer), config)

    aware = keras.models.clone_model(model, clone_function=wrap)
    with _measuring(aware):
        aware(images, training=True)
    return aware


@contextmanager
def _measuring(aware: Any) -> Iterator[None]:
    """Context in which a training call sets all ranges from its batch and leaves batch statistics unchanged."""
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


class QuantizationNetwork(NetworkProvider):
    """Provides a quantization-aware network to `train`.

    Args:
        model: a network from `seesaw_keras.build`; it is not modified.
        images: see `quantize_aware`.
        freeze_after: number of steps after which ranges and batch statistics are frozen, so that training continues
            with the arithmetic of the flatbuffer.

    Raises:
        ValueError: see `quantize_aware`; also if `freeze_after` is negative.
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
        """Returns the quantization-aware network."""
        aware = quantize_aware(self._model, self._images)
        return with_unit_length(aware) if normalize else aware

    def forward(self, network: Any, step: Any) -> Any:
        """Returns a forward pass that switches from training to inference mode after `freeze_after` steps."""
        return _Freezing(network, step, self._freeze_after)

    def finished(self, trained: Any) -> Any:
        """Returns the trained network without embedding normalization, which int8 cannot represent well."""
        return without_unit_length(trained)


class _Freezing:
    """A network that runs in training mode up to a given step and in inference mode afterwards."""

    def __init__(self, network: Any, step: Any, freeze_after: int) -> None:
        self._network, self._step, self._freeze_after = network, step, freeze_after

    @property
    def trainable_variables(self) -> list[Any]:
        """The network's trainable variables."""
        return self._network.trainable_variables

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Returns the embeddings."""
        return tf.cond(
            tf.logical_and(training, self._step < self._freeze_after),
            lambda: self._network(images, training=True),
            lambda: self._network(images, training=False),
        )
