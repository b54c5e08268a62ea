"""TensorFlow Model Optimization (TFMOT) quantization configs for the layers of these networks.

>>> import seesaw_keras
>>> from seesaw_keras.compression.quantize_configs import quantize_config
>>> quantize_config(seesaw_keras.build("shuffle").get_layer("stem_conv"), consumers=[])
<seesaw_keras.compression.quantize_configs.KernelQuantizeConfig object at ...>

TFMOT's default scheme does not support PReLU, Multiply or custom layers, skips convolutions with bias before a ReLU,
and matches graph patterns once per rule, which takes longer than everything else together. Therefore every layer gets
an explicit config here.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.compression.quantizers import KernelQuantizer, RangeQuantizer
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

__all__ = ["HardSigmoidQuantizeConfig", "KernelQuantizeConfig", "OutputQuantizeConfig", "quantize_config"]


class OutputQuantizeConfig(tfmot.quantization.keras.QuantizeConfig):
    """Quantizes only a layer's output.

    PReLU slopes are left to the converter; fake-quantized slopes would remain float operators in the flatbuffer.

    Args:
        quantize_output: False if the output has the same range as the input (a separate range would differ by rounding,
            which the converter rejects for PAD) or is quantized after the following layer.
    """

    def __init__(self, quantize_output: bool = True) -> None:
        self.quantize_output = quantize_output

    def get_weights_and_quantizers(self, layer: Any) -> list:
        """Returns an empty list."""
        return []

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """Returns an empty list."""
        return []

    # AutoGraph warns about functions without statements.
    @tf.autograph.experimental.do_not_convert
    def set_quantize_weights(self, layer: Any, quantize_weights: list) -> None:
        """Does nothing."""

    @tf.autograph.experimental.do_not_convert
    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Does nothing."""

    def get_output_quantizers(self, layer: Any) -> list:
        """Returns one output quantizer, or none if `quantize_output` is False."""
        return [RangeQuantizer()] if self.quantize_output else []

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {"quantize_output": self.quantize_output}


class KernelQuantizeConfig(OutputQuantizeConfig):
    """Quantizes a convolution's output and its kernel, per output channel."""

    def get_weights_and_quantizers(self, layer: Any) -> list:
        """Returns the kernel and its quantizer."""
        name = _kernel(layer)
        return [(getattr(layer, name), KernelQuantizer(depthwise=name == "depthwise_kernel"))]

    def set_quantize_weights(self, layer: Any, quantize_weights: list) -> None:
        """Replaces the kernel with the quantized kernel."""
        setattr(layer, _kernel(layer), quantize_weights[0])


def _kernel(layer: Any) -> str:
    return "depthwise_kernel" if isinstance(layer, keras.layers.DepthwiseConv2D) else "kernel"


class HardSigmoidQuantizeConfig(OutputQuantizeConfig):
    """Quantizes the output and the clipped sum inside the hard sigmoid, which would otherwise convert to float."""

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """Returns the layer's `clip` and its quantizer."""
        return [(layer.clip, RangeQuantizer())]

    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Replaces the layer's `clip` with the quantized one."""
        layer.clip = quantize_activations[0]


_layers = keras.layers
_CONFIGS = {
    _layers.Conv2D: KernelQuantizeConfig,
    _layers.DepthwiseConv2D: KernelQuantizeConfig,
    HardSigmoid: HardSigmoidQuantizeConfig,
}
_COMPUTE = (
    *(_layers.BatchNormalization, _layers.ReLU, _layers.PReLU, Swish, HardSwish),
    *(_layers.Concatenate, _layers.Add, _layers.Multiply, _layers.GlobalAveragePooling2D),
)
_MOVE = (
    *(ChannelShuffle, ChannelSlice, _layers.ZeroPadding2D, _layers.MaxPooling2D),
    *(_layers.Flatten, _layers.UnitNormalization),
)
# Layers that the converter fuses into the preceding layer: only the output of the fused operator is quantized. After a
# concatenation all parts share one range, so that uneven pairs can later be merged into one convolution.
_FUSED = (_layers.BatchNormalization, _layers.ReLU, _layers.Concatenate)


def quantize_config(layer: Any, consumers: Sequence[Any]) -> tfmot.quantization.keras.QuantizeConfig:
    """Returns the quantization config of a layer.

    Args:
        layer: a layer of a network from `seesaw_keras.build`.
        consumers: the layers that consume its output.

    Raises:
        ValueError: if the layer type is not supported.
    """
    kind = type(layer)
    fused = len(consumers) == 1 and isinstance(consumers[0], _FUSED)
    if kind in _CONFIGS:
        return _CONFIGS[kind](not fused)
    if kind in _COMPUTE:
        return OutputQuantizeConfig(not fused)
    # The sigmoid's int8 scale is fixed by the operator's definition.
    if kind in _MOVE or (kind is _layers.Activation and layer.activation is keras.activations.sigmoid):
        return OutputQuantizeConfig(False)
    known = sorted({known.__name__ for known in (*_CONFIGS, *_COMPUTE, *_MOVE)})
    raise ValueError(
        f"layer {layer.name!r} has the unsupported type {kind.__name__}; supported are {', '.join(known)} and "
        f"Activation('sigmoid')"
    )
