"""Fake quantizers for activations and convolution kernels.

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

_MOMENTUM = 0.999  # momentum of the moving range
_LEAST_RANGE = 1e-4  # lower bound, because the zero range of a dead branch has no scale
_OF_EMPTY = 0.01  # range of an all-zero channel relative to the largest one: fine enough to represent its bias


class RangeQuantizer(tfmot.quantization.keras.quantizers.MovingAverageQuantizer):
    """Asymmetric 8-bit activation quantizer whose range follows the training batches, narrowed to minimize noise.

    TFMOT's quantizer starts with the range -6 to 6 and moves by 0.1% per step, so it takes thousands of steps to forget
    the initial range. It also covers the full span, where a few channels with large values reduce the precision of all
    others. This quantizer can measure a batch: it sets the range found by `least_noise_share` and keeps that fraction
    of the span during training.

    Attributes:
        measuring: whether an eager training call sets the range from its batch.
    """

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.measuring = False

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates the range variables and the fraction of the span that the range covers."""
        one = keras.initializers.Constant(1.0)
        share = layer.add_weight(name=f"{name}_share", initializer=one, trainable=False)
        return {**super().build(tensor_shape, name, layer), "share": share}

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Updates the range if `training`, and fake-quantizes the inputs."""
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
        """Returns an empty config; the constructor has no arguments."""
        return {}


def _move(variable: tf.Variable, value: Any, momentum: float) -> None:
    variable.assign(variable * momentum + value * (1 - momentum))


class KernelQuantizer(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """Symmetric 8-bit kernel quantizer with one scale per output channel; zeros stay zero.

    Batch normalization scales whole channels, so folding it into the quantized kernel, as the converter does, is
    equivalent to quantizing the folded kernel.

    TFMOT's prune-preserving scheme does the same for `Conv2D`, except that an all-zero channel gets a zero range, and a
    bias at such a tiny scale does not fit into int32. For depthwise kernels it uses one scale for all channels and does
    not preserve zeros.

    Args:
        depthwise: whether the channels are the kernel's third axis.
    """

    def __init__(self, depthwise: bool) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self._depthwise = depthwise

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates the ranges, (channels,), and the mask of nonzero entries."""
        kernel = layer.layer.depthwise_kernel if self._depthwise else layer.layer.kernel
        mask = self._channels_last(tf.cast(kernel != 0, tf.float32))
        return {**super().build(mask.shape, name, layer), "mask": mask}

    def __call__(self, inputs: Any, training: bool, weights: Mapping[str, Any], **kwargs: Any) -> Any:
        """Sets the ranges from the kernel if `training`, and fake-quantizes it."""
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
        """Swaps the last two axes of depthwise kernels; applying it twice is the identity."""
        return tf.transpose(kernel, (0, 1, 3, 2)) if self._depthwise else kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {"depthwise": self._depthwise}
