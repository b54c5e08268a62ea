"""Custom Keras layers. They have no weights, are registered as serializable and follow the mixed-precision policy.

They are layers rather than tensor operations because TensorFlow Model Optimization quantizes only layers: each gets a
quantized output from `seesaw_keras.compression`.
"""

from typing import Any

from seesaw_keras.api import keras, reshape, transpose

__all__ = ["ChannelShuffle", "ChannelSlice", "HardSigmoid", "HardSwish", "Swish"]

_register = keras.utils.register_keras_serializable(package="seesaw_keras")


@_register
class ChannelSlice(keras.layers.Layer):
    """Channels `start` to `stop` (exclusive) of a (batch, height, width, channels) tensor.

    Raises:
        ValueError: if the range is empty or reaches beyond the input's channels.
    """

    def __init__(self, start: int, stop: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= start < stop:
            raise ValueError(f"ChannelSlice requires 0 <= start < stop, got start={start}, stop={stop}")
        self.start = start
        self.stop = stop

    def build(self, input_shape: tuple) -> None:
        """Checks that the input has at least `stop` channels."""
        if input_shape[-1] < self.stop:
            raise ValueError(f"{self.name}: stop={self.stop} is beyond the input's {input_shape[-1]} channels")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Slices the last axis."""
        return inputs[..., self.start : self.stop]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input shape with `stop - start` channels."""
        return (*input_shape[:-1], self.stop - self.start)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@_register
class ChannelShuffle(keras.layers.Layer):
    """Channel shuffle (ShuffleNet, arXiv 1707.01083, section 3.1) of a (batch, height, width, channels) tensor.

    Output channel `i * groups + g` is input channel `g * (channels / groups) + i`.

    Raises:
        ValueError: if the number of input channels is not a multiple of `groups`.
    """

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def build(self, input_shape: tuple) -> None:
        """Checks that the number of channels is a multiple of `groups`."""
        if input_shape[-1] % self.groups:
            raise ValueError(f"{self.name}: {input_shape[-1]} channels are not a multiple of groups={self.groups}")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Transposes (groups, channels / groups); height and width are merged to keep the tensor at four dimensions."""
        _, height, width, channels = inputs.shape
        grouped = reshape(inputs, (-1, height * width, self.groups, channels // self.groups))
        return reshape(transpose(grouped, (0, 1, 3, 2)), (-1, height, width, channels))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), "groups": self.groups}


class _Elementwise(keras.layers.Layer):
    """Base class of the activation layers below, for inputs of any shape."""

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Returns the input shape."""
        return input_shape


@_register
class Swish(_Elementwise):
    """x * sigmoid(x) (arXiv 1710.05941), named `h_swish` in the original code.

    A separate layer instead of `Activation("swish")`, which TensorFlow Model Optimization would treat as fused into the
    preceding convolution, leaving the tensor between the two in float.
    """

    def call(self, inputs: Any) -> Any:
        """Computes x * sigmoid(x)."""
        return inputs * keras.activations.sigmoid(inputs)


@_register
class HardSwish(_Elementwise):
    """x * relu6(x + 3) / 6 (MobileNetV3, arXiv 1905.02244, section 5.2); converts to one HARD_SWISH operator."""

    def call(self, inputs: Any) -> Any:
        """Computes x * relu6(x + 3) / 6."""
        return inputs * keras.activations.relu(inputs + 3.0, max_value=6.0) * (1.0 / 6.0)


@_register
class HardSigmoid(_Elementwise):
    """relu6(x + 3) / 6 (MobileNetV3, arXiv 1905.02244, section 5.2); differs from `hard_sigmoid` in `tf_keras`.

    Attributes:
        clip: the inner ReLU; quantization-aware training replaces it with one that also quantizes its output.
    """

    clip = staticmethod(keras.activations.relu)

    def call(self, inputs: Any) -> Any:
        """Computes relu6(x + 3) / 6."""
        return self.clip(inputs + 3.0, max_value=6.0) * (1.0 / 6.0)
