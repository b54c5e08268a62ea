"""What emulates int8 in training: of values on their way, and of convolution kernels.

>>> from seesaw_keras.compression.quantizers import RangeQuantizer
>>> RangeQuantizer().momentum
0.999
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras

__all__ = ["RangeQuantizer", "kernel_quantizer"]

_KERNEL = {"num_bits": 8, "per_axis": True, "symmetric": True, "narrow_range": True}
_LEAST_RANGE = 1e-4  # a range of zero, of a branch that is dead, has no scale


class RangeQuantizer(tfmot.quantization.keras.quantizers.MovingAverageQuantizer):
    """8 bits, asymmetric; the range is the moving average of what the batches of the training spanned.

    TFMOT's own starts at -6 to 6 and moves by a thousandth a step: it would take thousands of steps to forget that.
    This one can be told to take the first batch for the range.

    Attributes:
        momentum: what a step keeps of the range before it; 0 to take that of the batch.
    """

    MOMENTUM = 0.999

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.momentum = self.MOMENTUM

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Moves the range, in training, and emulates quantization."""
        low, high = weights["min_var"], weights["max_var"]
        if training:
            _move(low, tf.minimum(tf.reduce_min(inputs), 0.0), self.momentum)
            _move(high, tf.maximum(tf.reduce_max(inputs), _LEAST_RANGE), self.momentum)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high)

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return {}


def _move(variable: tf.Variable, value: Any, momentum: float) -> None:
    variable.assign(variable * momentum + value * (1 - momentum))


class _DepthwiseKernelQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """A scale for each channel, which is the third axis of a depthwise kernel; zeros stay zeros.

    TFMOT quantizes along the last axis, whose length is 1 here: one scale for all channels.
    """

    def __init__(self) -> None:
        super().__init__(**_KERNEL)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Makes the ranges, (channels,), and remembers which entries are zero."""
        height, width, channels, multiplier = tensor_shape
        ranges = super().build((height, width, multiplier, channels), name, layer)
        return {**ranges, "mask": tf.cast(layer.layer.depthwise_kernel != 0, tf.float32)}

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Emulates quantization, with channels last."""
        masked = tf.transpose(inputs * weights["mask"], (0, 1, 3, 2))
        return tf.transpose(super().__call__(masked, training, weights), (0, 1, 3, 2))


def kernel_quantizer(layer: Any) -> Any:
    """Returns what quantizes a convolution's kernel: symmetric, a scale for each output channel, zeros stay zeros.

    Batch normalisation multiplies whole channels, so to fold it into the quantized kernel, as the converter does, is to
    quantize the folded one.

    Args:
        layer: a `Conv2D` or `DepthwiseConv2D` with its weights; entries of the kernel that are zero when the quantizer
            is built stay so.
    """
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return _DepthwiseKernelQuantizer()
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return scheme.get_quantize_registry().get_quantize_config(layer).weight_quantizer
