"""Network building blocks: functions from tensor to tensor, using Keras layers and those of `layers.py`.

Layer names start with the name of their block, so that weights can be found by name
(`stage1_block2_project_wide_conv`). The data format is (batch, height, width, channels).
"""

from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.models.configs import Activation, ModelConfig
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

__all__ = ["activation", "bottleneck", "conv_bn", "squeeze_excite"]

# As in the original code: PyTorch's defaults (its momentum of 0.1 is 0.9 in Keras).
BN_MOMENTUM = 0.9
BN_EPSILON = 1e-5
SE_REDUCTION = 4
# ReLU is fused into the preceding convolution. The other activations are applied after concatenating the two branches:
# the same function with half the operators and one quantization range for both branches.
_FUSED = ("relu", "relu6")


def activation(x: Any, kind: Activation, name: str) -> Any:
    """Applies one of `ACTIVATIONS`; the shape is unchanged. PReLU has one slope per channel."""
    if kind == "swish":
        return Swish(name=name)(x)
    if kind == "hard_swish":
        return HardSwish(name=name)(x)
    if kind == "prelu":
        initial = keras.initializers.Constant(0.25)  # PyTorch's default
        return keras.layers.PReLU(alpha_initializer=initial, shared_axes=[1, 2], name=name)(x)
    return keras.layers.ReLU(max_value=6.0 if kind == "relu6" else None, name=name)(x)


def _he_normal(channels: int = 1) -> Any:
    """Returns He normal initialization (arXiv 1502.01852): standard deviation sqrt(2 / fan_in).

    Args:
        channels: number of channels of a depthwise kernel, which Keras includes in the fan-in.
    """
    return keras.initializers.VarianceScaling(2.0 * channels, mode="fan_in", distribution="untruncated_normal")


def conv_bn(
    x: Any,
    filters: int | None,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    padding: str = "same",
    zero_gamma: bool = False,
) -> Any:
    """Applies a convolution without bias, followed by batch normalization.

    Args:
        x: (batch, height, width, channels).
        filters: number of output channels; None for a depthwise convolution.
        kernel_size: side of the square kernel.
        name: the layers are named `name_conv` and `name_bn`.
        strides: 1 or 2.
        padding: "valid", or "same" for (kernel_size - 1) / 2 pixels on every side as in the original code.
        zero_gamma: whether to initialize gamma to zero.

    Returns:
        (batch, height / strides, width / strides, channels) with "same" padding.
    """
    if strides > 1 and kernel_size > 1:
        # TensorFlow's "same" would pad only bottom and right, which gives a different network (cosine 0.005).
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    common = {"strides": strides, "padding": padding, "use_bias": False, "name": f"{name}_conv"}
    if filters is None:
        initial = _he_normal(x.shape[-1])
        x = keras.layers.DepthwiseConv2D(kernel_size, depthwise_initializer=initial, **common)(x)
    else:
        x = keras.layers.Conv2D(filters, kernel_size, kernel_initializer=_he_normal(), **common)(x)
    gamma = "zeros" if zero_gamma else "ones"
    return keras.layers.BatchNormalization(
        momentum=BN_MOMENTUM, epsilon=BN_EPSILON, gamma_initializer=gamma, name=f"{name}_bn"
    )(x)


def _uneven_conv_bn(x: Any, filters: int, *, name: str, wide: str, **kwargs: Any) -> list[Any]:
    """Applies an uneven pair: two 1x1 convolutions of 1/4 and 3/4 of the channels (arXiv 1908.09124, section 3).

    Args:
        x: (batch, height, width, channels).
        filters: total number of output channels.
        name: the layers are named `name_narrow_*` and `name_wide_*`.
        wide: "last" or "first": which 3/4 of the channels the wide convolution reads.
        **kwargs: passed to `conv_bn`.

    Returns:
        The two outputs in the order of their input channels.
    """
    channels = x.shape[-1]
    narrow, wide_filters = filters // 4, filters - filters // 4
    parts = [("narrow", channels // 4, narrow), ("wide", channels - channels // 4, wide_filters)]
    if wide == "first":
        parts.reverse()
    outputs, start = [], 0
    for part, size, part_filters in parts:
        piece = ChannelSlice(start, start + size, name=f"{name}_{part}_slice")(x)
        outputs.append(conv_bn(piece, part_filters, 1, name=f"{name}_{part}", **kwargs))
        start += size
    return outputs


def squeeze_excite(x: Any, config: ModelConfig, name: str) -> Any:
    """Applies squeeze-excite (arXiv 1709.01507) with reduction 4, using 1x1 convolutions; the shape is unchanged."""
    channels = x.shape[-1]

    def dense(y: Any, filters: int, part: str) -> Any:
        return keras.layers.Conv2D(
            filters, 1, use_bias=config.se_bias, kernel_initializer=_he_normal(), name=f"{name}_{part}_conv"
        )(y)

    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = dense(y, channels // SE_REDUCTION, "reduce")
    y = activation(y, config.se_activation, f"{name}_act")
    y = dense(y, channels, "expand")
    gate = HardSigmoid if config.se_gate == "hard_sigmoid" else _sigmoid
    return keras.layers.Multiply(name=f"{name}_scale")([x, gate(name=f"{name}_gate")(y)])


def _sigmoid(name: str) -> Any:
    return keras.layers.Activation("sigmoid", name=name)


def _expand(x: Any, filters: int, config: ModelConfig, name: str) -> Any:
    """Applies the expanding 1x1 convolution(s), the activation and, in shuffle variants, a channel shuffle."""
    if not config.uneven:
        return activation(conv_bn(x, filters, 1, name=name), config.activation, f"{name}_act")
    branches = _uneven_conv_bn(x, filters, name=name, wide="last")
    if config.activation in _FUSED:
        branches = [
            activation(branch, config.activation, f"{name}_{part}_act")
            for part, branch in zip(("narrow", "wide"), branches, strict=True)
        ]
    x = keras.layers.Concatenate(name=f"{name}_concat")(branches)
    if config.activation not in _FUSED:
        x = activation(x, config.activation, f"{name}_act")
    return ChannelShuffle(2, name=f"{name}_shuffle")(x) if config.shuffle else x


def _project(x: Any, filters: int, config: ModelConfig, name: str, zero_gamma: bool) -> Any:
    """Applies the linear 1x1 convolution(s) that project back to the width of the residual stream."""
    if not config.uneven:
        return conv_bn(x, filters, 1, name=name, zero_gamma=zero_gamma)
    branches = _uneven_conv_bn(x, filters, name=name, wide=config.wide_projection, zero_gamma=zero_gamma)
    return keras.layers.Concatenate(name=f"{name}_concat")(branches)


def _mapping(x: Any, filters: int, config: ModelConfig, name: str) -> Any:
    """Applies the shortcut of a stride-2 block in the DW variants."""
    strides = 2
    if config.mapping == "pool":
        x = keras.layers.MaxPooling2D(2, name=f"{name}_pool")(x)
        strides = 1
    x = conv_bn(x, filters, 1, strides=strides, padding="valid", name=name)
    return activation(x, config.activation, f"{name}_act")


def bottleneck(
    x: Any,
    filters: int,
    expansion: int,
    config: ModelConfig,
    *,
    name: str,
    strides: int = 1,
    squeezed: bool = True,
) -> Any:
    """Applies an inverted bottleneck: expansion, depthwise 3x3, squeeze-excite, projection.

    Stride-1 blocks are residual; stride-2 blocks have a mapping shortcut or none, depending on `config.mapping`.

    Args:
        x: (batch, height, width, channels), with channels == `filters` if `strides` is 1.
        filters: channels of the residual stream after the block.
        expansion: channels inside the block.
        config: configuration of the variant.
        name: prefix of the layer names.
        strides: 1 or 2.
        squeezed: whether the block has squeeze-excite.

    Returns:
        (batch, height / strides, width / strides, filters).
    """
    residual = strides == 1
    y = _expand(x, expansion, config, f"{name}_expand")
    y = activation(conv_bn(y, None, 3, strides=strides, name=f"{name}_dw"), config.activation, f"{name}_dw_act")
    if squeezed:
        y = squeeze_excite(y, config, f"{name}_se")
    y = _project(y, filters, config, f"{name}_project", zero_gamma=residual and config.zero_gamma)
    if residual:
        return keras.layers.Add(name=f"{name}_add")([x, y])
    if config.mapping:
        return keras.layers.Add(name=f"{name}_add")([_mapping(x, filters, config, f"{name}_mapping"), y])
    return y
