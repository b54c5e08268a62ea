"""How TensorFlow Model Optimization (TFMOT) quantizes the layers that it does not know.

>>> import seesaw_keras
>>> from seesaw_keras.compression import quantize_aware
>>> network = quantize_aware(seesaw_keras.build("shuffle", normalize=False))
"""

from typing import Any

import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

__all__ = ["HardSigmoidQuantizeConfig", "OutputQuantizeConfig", "PassThroughQuantizeConfig", "quantize_aware"]

_quantization = tfmot.quantization.keras


class PassThroughQuantizeConfig(_quantization.QuantizeConfig):
    """Quantizes nothing: for layers that only move entries, whose output has the range of their input.

    A range of its own would differ from the input's in the last digits, and the converter refuses that for PAD.
    """

    def get_weights_and_quantizers(self, layer: Any) -> list:
        """None."""
        return []

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """None."""
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list) -> None:
        """Nothing to set."""

    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Nothing to set."""

    def get_output_quantizers(self, layer: Any) -> list:
        """None."""
        return []

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return {}


class OutputQuantizeConfig(PassThroughQuantizeConfig):
    """Quantizes what a layer puts out (8 bits, asymmetric, moving average of the range), and nothing inside it.

    PReLU's slopes are left to the converter: fake-quantized, they would stay a float island in the flatbuffer.
    """

    def get_output_quantizers(self, layer: Any) -> list:
        """One quantizer."""
        return [
            _quantization.quantizers.MovingAverageQuantizer(
                num_bits=8, per_axis=False, symmetric=False, narrow_range=False
            )
        ]


class HardSigmoidQuantizeConfig(OutputQuantizeConfig):
    """Quantizes the clipped sum inside the hard sigmoid too, which the converter would otherwise leave in float."""

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """The layer's clip."""
        return [(layer.clip, quantizer) for quantizer in self.get_output_quantizers(layer)]

    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Puts the quantized clip in the place of the plain one."""
        layer.clip = quantize_activations[0]


_CONFIGS = {
    ChannelShuffle: PassThroughQuantizeConfig,
    ChannelSlice: PassThroughQuantizeConfig,
    keras.layers.UnitNormalization: PassThroughQuantizeConfig,
    HardSigmoid: HardSigmoidQuantizeConfig,
    HardSwish: OutputQuantizeConfig,
    Swish: OutputQuantizeConfig,
    keras.layers.Multiply: OutputQuantizeConfig,
    keras.layers.PReLU: OutputQuantizeConfig,
}


def quantize_aware(model: Any) -> Any:
    """Makes a network that emulates int8 arithmetic in training, by `tfmot.quantization.keras.quantize_model`.

    Args:
        model: a network from `seesaw_keras.build`, in float32.

    Returns:
        A new `keras.Model` with the same weights, to be trained for a while (at least until its ranges are settled)
        and converted. The converter makes a flatbuffer of it without any float tensor.
    """

    def annotate(layer: Any) -> Any:
        config = _CONFIGS.get(type(layer))
        return _quantization.quantize_annotate_layer(layer, config()) if config else layer

    with _quantization.quantize_scope({config.__name__: config for config in _CONFIGS.values()}):
        annotated = keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        return _quantization.quantize_model(annotated)
