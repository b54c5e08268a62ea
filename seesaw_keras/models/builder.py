"""`build()`: builds a Keras model from the name of a variant.

>>> import seesaw_keras
>>> model = seesaw_keras.build("shuffle")
>>> model.output_shape
(None, 512)
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.choices import unknown_name
from seesaw_keras.models.blocks import activation as apply_activation
from seesaw_keras.models.blocks import bottleneck, conv_bn
from seesaw_keras.models.configs import ACTIVATIONS, Activation, ModelConfig, Stage, get_config
from seesaw_keras.models.pretrained import RELEASES, check_sha256, released_file

__all__ = ["build"]

STRIDE = 16  # total stride of the four stride-2 convolutions
CHANNEL_MULTIPLE = 8


def build(
    variant: str | ModelConfig = "shuffle",
    *,
    input_shape: tuple[int, int, int] | None = None,
    embedding_size: int | None = None,
    width: float = 1.0,
    activation: Activation | None = None,
    se_activation: Activation | None = None,
    normalize: bool = True,
    weights: str | Path | None = None,
    name: str | None = None,
) -> Any:
    """Builds a network as a flat functional model.

    | variant | parameters | multiply-adds | LFW, published | source |
    | --- | ---: | ---: | ---: | --- |
    | share | 1,370,176 | 145,762,816 | 99.55 | arXiv 1908.09124, table 4 |
    | shuffle | 1,370,176 | 145,762,816 | 99.60 | arXiv 1908.09124, table 4 |
    | dw_v1 | 4,246,944 | 526,478,592 | 99.80 | arXiv 1908.09124, table 5 |
    | dw_v2 | 4,246,944 | 526,478,592 | 99.80 | arXiv 1908.09124, table 5 |
    | mobilefacenet | 1,192,960 | 221,161,984 | 99.57 | arXiv 1908.09124, table 4 |
    | shuffle_hard | 1,364,992 | 145,762,816 | 99.62 | github.com/pshashk/seesaw-facenet |
    | phone | 1,369,312 | 145,762,816 | | this project |
    | micro | 257,664 | 29,545,472 | | this project, at 96x96 |

    Parameters and multiply-adds are as reported by `model_info`; accuracies are published values for MS1MV2.

    Args:
        variant: a name from `list_models()`, or a custom `ModelConfig`.
        input_shape: (side, side, 3), where side is a positive multiple of 16; the global depthwise kernel has size
            side / 16. Defaults to the variant's: 112, or 96 for `micro`.
        embedding_size: dimension of the embedding. Defaults to the variant's: 512, or 128 for `micro`.
        width: multiplier of all channels except the embedding's; each is rounded to a multiple of 8, at least 8.
        activation: activation function of the trunk: "swish", "hard_swish", "relu", "relu6" or "prelu". Defaults to
            the variant's. Applies to both branches of an uneven pair, but not to a stem whose activation the variant
            fixes (`shuffle_hard`).
        se_activation: activation function of squeeze-excite; no effect on variants without squeeze-excite.
        normalize: whether to L2-normalize the embeddings.
        weights: None for random weights, "faces" for the released weights of the variant (tflite/), or a file written
            by `model.save_weights`, `seesaw import_reference` or `seesaw release`. Its SHA-256 is verified if known
            from its name or from the model card next to it.
        name: name of the model; defaults to `seesaw_` followed by the variant.

    Returns:
        A `keras.Model` from (batch, side, side, 3) RGB in [-1, 1] to (batch, embedding_size) float32, under any
        mixed-precision policy.

    Raises:
        ValueError: if the variant or activation is unknown, the size is not a multiple of 16, the width or embedding
            size is not positive, or the weights file does not match the network.
    """
    config = _resolve(get_config(variant) if isinstance(variant, str) else variant, activation, se_activation)
    side = config.image_size if input_shape is None else _check_input_shape(input_shape)
    embedding_size = config.embedding_size if embedding_size is None else embedding_size
    if not isinstance(embedding_size, int) or embedding_size < 1:
        raise ValueError(f"embedding_size must be a positive integer, got {embedding_size!r}")
    if not width > 0 or width == float("inf"):
        raise ValueError(f"width must be a positive number, got {width!r}")
    config = _scale(config, width)

    inputs = keras.Input((side, side, 3), name="image")
    embedding = _head(_trunk(inputs, config), config, embedding_size)
    if normalize:
        # In float32 under any policy, because the epsilon of 1e-12 underflows in float16.
        embedding = keras.layers.UnitNormalization(dtype="float32", name="unit_embedding")(embedding)
    model = keras.Model(inputs, embedding, name=name or f"seesaw_{config.name}")
    if weights is not None:
        released = weights in RELEASES
        path = released_file(f"{config.name}.{weights}.weights.h5") if released else Path(weights)
        _load_weights(model, path, config.name)
    return model


def _resolve(config: ModelConfig, activation: Activation | None, se_activation: Activation | None) -> ModelConfig:
    """Returns the configuration with the caller's activations, if given."""
    for option, value in (("activation", activation), ("se_activation", se_activation)):
        if value is not None and value not in ACTIVATIONS:
            raise ValueError(unknown_name(option, value, ACTIVATIONS))
    return replace(
        config, activation=activation or config.activation, se_activation=se_activation or config.se_activation
    )


def _check_input_shape(input_shape: tuple[int, int, int]) -> int:
    """Returns the side of a valid input shape."""
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
        raise ValueError(f"input_shape must be (side, side, 3), got {shape}")
    side = shape[0]
    if not isinstance(side, int) or side < STRIDE or side % STRIDE:
        raise ValueError(f"input_shape {shape}: the side must be a positive multiple of {STRIDE}")
    return side


def _scale(config: ModelConfig, width: float) -> ModelConfig:
    """Returns the configuration with scaled channel counts, rounded to multiples of 8."""

    def channels(count: int) -> int:
        return max(CHANNEL_MULTIPLE, int(count * width / CHANNEL_MULTIPLE + 0.5) * CHANNEL_MULTIPLE)

    stages = tuple(
        Stage(channels(s.channels), channels(s.down_expansion), s.blocks, channels(s.expansion)) for s in config.stages
    )
    return replace(config, stem=channels(config.stem), stages=stages, head=channels(config.head))


def _trunk(x: Any, config: ModelConfig) -> Any:
    """Applies stem and stages: (batch, side, side, 3) to (batch, side / 16, side / 16, channels)."""
    stem_activation = config.stem_activation or config.activation
    x = apply_activation(conv_bn(x, config.stem, 3, strides=2, name="stem"), stem_activation, "stem_act")
    x = apply_activation(conv_bn(x, None, 3, name="stem_dw"), stem_activation, "stem_dw_act")
    for number, stage in enumerate(config.stages, 1):
        block = partial(bottleneck, filters=stage.channels, config=config, squeezed=number in config.squeeze_excite)
        x = block(x, expansion=stage.down_expansion, strides=2, name=f"stage{number}_down")
        for index in range(1, stage.blocks + 1):
            x = block(x, expansion=stage.expansion, name=f"stage{number}_block{index}")
    return x


def _head(x: Any, config: ModelConfig, embedding_size: int) -> Any:
    """Applies 1x1 convolution, global depthwise convolution and embedding; returns (batch, embedding_size) float32."""
    x = apply_activation(conv_bn(x, config.head, 1, name="head"), config.activation, "head_act")
    x = conv_bn(x, None, x.shape[1], padding="valid", name="head_dw")
    # A 1x1 convolution instead of a Dense layer: Dense + BatchNormalization becomes a float FULLY_CONNECTED after QAT.
    x = conv_bn(x, embedding_size, 1, name="embedding")
    return keras.layers.Flatten(dtype="float32", name="embedding")(x)


def _load_weights(model: Any, path: Path, variant: str) -> None:
    """Loads a weights file; errors name the file and the expected model."""
    if not path.is_file():
        raise ValueError(f"weights: there is no file {str(path)!r}")
    check_sha256(path)
    stored = _stored_variant(path)
    if stored not in (None, variant):
        raise ValueError(f"weights: {str(path)!r} was made for variant {stored!r}, not {variant!r}")
    try:
        model.load_weights(str(path))
    except Exception as error:  # Keras and h5py raise several exception types here
        raise ValueError(
            f"weights: {str(path)!r} does not fit {model.name} ({model.count_params():,} weights, moving statistics "
            f"included); build it with the variant, width and embedding size of the file. Keras error: {error}"
        ) from error


def _stored_variant(path: Path) -> str | None:
    """Returns the variant recorded by `seesaw import_reference`, or None; Keras itself only compares shapes."""
    import h5py  # imported here, so that on a device `seesaw_keras.api` reports its missing package first

    if not h5py.is_hdf5(path):
        return None
    with h5py.File(path) as file:
        return json.loads(file.attrs.get("made_by", "{}")).get("variant")
