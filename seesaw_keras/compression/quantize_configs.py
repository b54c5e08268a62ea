"""How TensorFlow Model Optimization (TFMOT) quantizes each layer of these networks.

>>> import seesaw_keras
>>> from seesaw_keras.compression.quantize_configs import quantize_config
>>> quantize_config(seesaw_keras.build("shuffle").get_layer("stem_conv"), readers=[])
<seesaw_keras.compression.quantize_configs.KernelQuantizeConfig object at ...>

TFMOT's own rules do without PReLU, Multiply and whatever Keras does not have; leave a convolution with bias before a
ReLU as it is; and look for patterns in the graph once a rule, which takes longer than all the rest. So every layer is
given its config here.
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
    """Quantizes what a layer puts out, and nothing inside it.

    PReLU's slopes are left to the converter: fake-quantized, they would stay a float island in the flatbuffer.

    Args:
        quantize_output: False for a layer whose output has the range of its input (one of its own would differ in the
            last digits, which the converter refuses for PAD), or is quantized after the layer that follows.
    """

    def __init__(self, quantize_output: bool = True) -> None:
        self.quantize_output = quantize_output

    def get_weights_and_quantizers(self, layer: Any) -> list:
        """None."""
        return []

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """None."""
        return []

    # AutoGraph warns of functions that hold no statement.
    @tf.autograph.experimental.do_not_convert
    def set_quantize_weights(self, layer: Any, quantize_weights: list) -> None:
        """Nothing to set."""

    @tf.autograph.experimental.do_not_convert
    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Nothing to set."""

    def get_output_quantizers(self, layer: Any) -> list:
        """One quantizer, or none."""
        return [RangeQuantizer()] if self.quantize_output else []

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"quantize_output": self.quantize_output}


class KernelQuantizeConfig(OutputQuantizeConfig):
    """Quantizes a convolution's kernel too, with a scale for each output channel."""

    def get_weights_and_quantizers(self, layer: Any) -> list:
        """The kernel."""
        name = _kernel(layer)
        return [(getattr(layer, name), KernelQuantizer(depthwise=name == "depthwise_kernel"))]

    def set_quantize_weights(self, layer: Any, quantize_weights: list) -> None:
        """Puts the quantized kernel in the place of the plain one."""
        setattr(layer, _kernel(layer), quantize_weights[0])


def _kernel(layer: Any) -> str:
    return "depthwise_kernel" if isinstance(layer, keras.layers.DepthwiseConv2D) else "kernel"


class HardSigmoidQuantizeConfig(OutputQuantizeConfig):
    """Quantizes the clipped sum inside the hard sigmoid too, which the converter would otherwise leave in float."""

    def get_activations_and_quantizers(self, layer: Any) -> list:
        """The layer's clip."""
        return [(layer.clip, RangeQuantizer())]

    def set_quantize_activations(self, layer: Any, quantize_activations: list) -> None:
        """Puts the quantized clip in the place of the plain one."""
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
# What the converter makes part of the layer before it: only what comes out behind is quantized. Behind a concatenation
# all parts have one range, so that uneven pairs can be merged into one convolution later.
_FUSED = (_layers.BatchNormalization, _layers.ReLU, _layers.Concatenate)


def quantize_config(layer: Any, readers: Sequence[Any]) -> tfmot.quantization.keras.QuantizeConfig:
    """Returns how a layer is quantized.

    Args:
        layer: of a network from `seesaw_keras.build`.
        readers: the layers that take its output.

    Raises:
        ValueError: it is of a kind that is not known here.
    """
    kind = type(layer)
    fused = len(readers) == 1 and isinstance(readers[0], _FUSED)
    if kind in _CONFIGS:
        return _CONFIGS[kind](not fused)
    if kind in _COMPUTE:
        return OutputQuantizeConfig(not fused)
    # The sigmoid's int8 scale is fixed by the operator's definition.
    if kind in _MOVE or (kind is _layers.Activation and layer.activation is keras.activations.sigmoid):
        return OutputQuantizeConfig(False)
    known = sorted({known.__name__ for known in (*_CONFIGS, *_COMPUTE, *_MOVE)})
    raise ValueError(
        f"layer {layer.name!r} is of the kind {kind.__name__}, for which there is no QuantizeConfig; there are some "
        f"for {', '.join(known)} and Activation('sigmoid')"
    )
