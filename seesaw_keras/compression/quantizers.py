"""What emulates int8 in training: of values on their way, and of convolution kernels.

>>> from seesaw_keras.compression.quantizers import RangeQuantizer
>>> RangeQuantizer().measuring
False
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.tflite.conversion.range_calibration import Range, least_noise_share

__all__ = ["KernelQuantizer", "RangeQuantizer"]

_MOMENTUM = 0.999  # what a step keeps of the range before it
_LEAST_RANGE = 1e-4  # a range of zero, of a branch that is dead, has no scale
_OF_EMPTY = 0.01  # range of a channel without weights, as a share of the greatest: fine enough a unit for its bias


class RangeQuantizer(tfmot.quantization.keras.quantizers.MovingAverageQuantizer):
    """8 bits, asymmetric; the range follows what the batches of the training span, narrowed to what makes least noise.

    TFMOT's own starts at -6 to 6 and moves by a thousandth a step: it would take thousands of steps to forget that; and
    it takes the whole span, in which a few loud channels drown the quiet ones. This one can be told to measure a batch:
    then it takes the range that `least_noise_share` finds in it, and keeps to that share of the span as training goes
    on.

    Attributes:
        measuring: whether a call in training, of values and not of a graph, takes its batch for all ranges.
    """

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.measuring = False

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Makes the range and the share of the span that it is."""
        one = keras.initializers.Constant(1.0)
        share = layer.add_weight(name=f"{name}_share", initializer=one, trainable=False)
        return {**super().build(tensor_shape, name, layer), "share": share}

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Moves the range, in training, and emulates quantization."""
        low, high, share = weights["min_var"], weights["max_var"], weights["share"]
        if training:
            least = tf.minimum(tf.reduce_min(inputs), 0.0)
            greatest = tf.maximum(tf.reduce_max(inputs), _LEAST_RANGE)
            if self.measuring:
                share.assign(least_noise_share(inputs.numpy(), Range(float(least), float(greatest))))
            momentum = 0.0 if self.measuring else _MOMENTUM
            reach = share * tf.maximum(-least, greatest)
            _move(low, tf.maximum(least, -reach), momentum)
            _move(high, tf.minimum(greatest, reach), momentum)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, low, high)

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return {}


def _move(variable: tf.Variable, value: Any, momentum: float) -> None:
    variable.assign(variable * momentum + value * (1 - momentum))


class KernelQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """8 bits, symmetric, a scale for each output channel of a convolution's kernel; zeros stay zeros.

    Batch normalization multiplies whole channels, so to fold it into the quantized kernel, as the converter does, is to
    quantize the folded one.

    TFMOT's prune-preserving scheme does the same for `Conv2D`, with one exception: a channel of nothing but zeros gets
    a range of nothing, and a bias in units of next to nothing does not fit into int32. Of depthwise kernels it
    quantizes all channels by one scale, and keeps no zeros.

    Args:
        depthwise: whether the channels are the kernel's third axis.
    """

    def __init__(self, depthwise: bool) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self._depthwise = depthwise

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Makes the ranges, (channels,), and remembers which entries are zero."""
        kernel = layer.layer.depthwise_kernel if self._depthwise else layer.layer.kernel
        mask = self._channels_last(tf.cast(kernel != 0, tf.float32))
        return {**super().build(mask.shape, name, layer), "mask": mask}

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Takes the present entries for the ranges, in training, and emulates quantization."""
        kernel = self._channels_last(inputs) * weights["mask"]
        if training:
            range_ = tf.reduce_max(tf.abs(kernel), axis=(0, 1, 2))
            range_ = tf.where(range_ > 0, range_, tf.maximum(_OF_EMPTY * tf.reduce_max(range_), _LEAST_RANGE))
            weights["min_var"].assign(-range_)
            weights["max_var"].assign(range_)
        return self._channels_last(
            tf.quantization.fake_quant_with_min_max_vars_per_channel(
                kernel, weights["min_var"], weights["max_var"], narrow_range=True
            )
        )

    def _channels_last(self, kernel: Any) -> Any:
        """Swaps the last two axes of depthwise kernels; the second time they are as they were."""
        return tf.transpose(kernel, (0, 1, 3, 2)) if self._depthwise else kernel

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"depthwise": self._depthwise}
