"""Registry of the network variants; each is a frozen `ModelConfig`.

>>> from seesaw_keras.models.configs import get_config
>>> get_config("shuffle").stages[0]
Stage(channels=64, down_expansion=128, blocks=4, expansion=128)
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from seesaw_keras.choices import unknown_name

__all__ = ["ACTIVATIONS", "Activation", "ModelConfig", "Published", "Stage", "get_config", "list_models"]

Activation = Literal["swish", "hard_swish", "relu", "relu6", "prelu"]
ACTIVATIONS: tuple[Activation, ...] = ("swish", "hard_swish", "relu", "relu6", "prelu")


@dataclass(frozen=True)
class Stage:
    """One stage of the network: a stride-2 block followed by residual blocks.

    Attributes:
        channels: width of the residual stream.
        down_expansion: width inside the stride-2 block, between expansion and projection.
        blocks: number of residual blocks.
        expansion: width inside each residual block.
    """

    channels: int
    down_expansion: int
    blocks: int
    expansion: int


@dataclass(frozen=True)
class Published:
    """Published results for a variant, not measured in this project.

    Attributes:
        accuracy: verification accuracy in percent, by data set.
        source: table or page of the results, with the training data.
    """

    accuracy: dict[str, float]
    source: str


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a network variant.

    Attributes:
        name: key in the registry.
        summary: one-line description for tables.
        stem: channels of the first convolution and the following depthwise convolution.
        stages: the three stages after the stem.
        head: channels of the last 1x1 convolution and the global depthwise convolution.
        image_size: default side of the images in pixels.
        embedding_size: default dimension of the embedding.
        uneven: whether 1x1 convolutions are uneven pairs (1/4 and 3/4 of the channels) or dense convolutions.
        shuffle: whether channels are shuffled (two groups) between expansion and depthwise convolution.
        wide_projection: which 3/4 of the channels the wide projection reads.
        mapping: shortcut of the stride-2 blocks: none, a strided 1x1 convolution, or max pooling and 1x1 convolution.
        activation: activation function of the trunk.
        stem_activation: activation function of the stem, if it differs from the trunk's.
        squeeze_excite: the stages, counted from 1, whose blocks have squeeze-excite (reduction 4).
        se_activation: activation function between the two layers of squeeze-excite.
        se_gate: gate function of squeeze-excite.
        se_bias: whether the layers of squeeze-excite have a bias.
        zero_gamma: whether the last gammas of residual blocks are initialized to zero (arXiv 1812.01187, section 3.1).
        published: published accuracies.
    """

    name: str
    summary: str
    stem: int
    stages: tuple[Stage, ...]
    head: int = 512
    image_size: int = 112
    embedding_size: int = 512
    uneven: bool = True
    shuffle: bool = False
    wide_projection: Literal["first", "last"] = "last"
    mapping: Literal["conv", "pool"] | None = None
    activation: Activation = "swish"
    stem_activation: Activation | None = None
    squeeze_excite: tuple[int, ...] = (1, 2, 3)
    se_activation: Activation = "prelu"
    se_gate: Literal["sigmoid", "hard_sigmoid"] = "sigmoid"
    se_bias: bool = True
    zero_gamma: bool = False
    published: Published | None = field(default=None, repr=False)


_MOBILE = (Stage(64, 128, 4, 128), Stage(128, 256, 6, 256), Stage(128, 512, 2, 256))
_HALF = (Stage(32, 64, 4, 64), Stage(64, 128, 6, 128), Stage(64, 256, 2, 128))
_DEEP_WIDE = (Stage(96, 192, 8, 192), Stage(192, 384, 12, 384), Stage(192, 768, 4, 384))
_TABLE_4 = "arXiv 1908.09124, table 4 (MS1MV2, batch 192)"
_TABLE_4_SHARE = "arXiv 1908.09124, table 4 (MS1MV2, batch 160)"
_TABLE_5 = "arXiv 1908.09124, table 5 (MS1MV2, batch 128)"

_SHUFFLE = ModelConfig(
    name="shuffle",
    summary="Seesaw-shuffleFaceNet: uneven pairs, channel shuffle",
    stem=64,
    stages=_MOBILE,
    shuffle=True,
    published=Published({"LFW": 99.60, "CFP-FP": 92.90, "AgeDB-30": 96.85}, _TABLE_4),
)
_DW_V1 = ModelConfig(
    name="dw_v1",
    summary="DW-SeesawFaceNet V1: deeper, wider, strided mapping branch",
    stem=96,
    stages=_DEEP_WIDE,
    shuffle=True,
    mapping="conv",
    published=Published({"LFW": 99.80, "CFP-FP": 97.07, "AgeDB-30": 97.38, "CPLFW": 91.57, "CALFW": 95.88}, _TABLE_5),
)

_REGISTRY = {
    config.name: config
    for config in (
        replace(
            _SHUFFLE,
            name="share",
            summary="Seesaw-shareFaceNet: uneven pairs, no shuffle",
            shuffle=False,
            wide_projection="first",
            published=Published({"LFW": 99.55, "CFP-FP": 93.09, "AgeDB-30": 96.42}, _TABLE_4_SHARE),
        ),
        _SHUFFLE,
        _DW_V1,
        replace(
            _DW_V1,
            name="dw_v2",
            summary="DW-SeesawFaceNet V2: mapping branch by max pooling",
            mapping="pool",
            published=Published(
                {"LFW": 99.80, "CFP-FP": 97.24, "AgeDB-30": 97.55, "CPLFW": 91.98, "CALFW": 95.98}, _TABLE_5
            ),
        ),
        ModelConfig(
            name="mobilefacenet",
            summary="MobileFaceNet as in cvtower/seesawfacenet_pytorch: the baseline",
            stem=64,
            stages=_MOBILE,
            uneven=False,
            squeeze_excite=(),
            published=Published({"LFW": 99.57, "CFP-FP": 91.39, "AgeDB-30": 96.03}, _TABLE_4),
        ),
        replace(
            _SHUFFLE,
            name="shuffle_hard",
            summary="shuffle with hard swish and hard sigmoid (pshashk/seesaw-facenet)",
            activation="hard_swish",
            stem_activation="relu",
            se_activation="relu",
            se_gate="hard_sigmoid",
            se_bias=False,
            zero_gamma=True,
            published=Published(
                {
                    "LFW": 99.62,
                    "CFP-FP": 94.49,
                    "AgeDB-30": 96.12,
                    "CPLFW": 89.52,
                    "CFP-FF": 99.56,
                    "VGG2-FP": 93.24,
                },
                "README of github.com/pshashk/seesaw-facenet (Li-ArcFace)",
            ),
        ),
        replace(
            _SHUFFLE,
            name="phone",
            summary="ours: shuffle with ReLU in squeeze-excite, where XNNPACK lacks an int8 PReLU",
            se_activation="relu",
            published=None,
        ),
        replace(
            _SHUFFLE,
            name="micro",
            summary="ours: half of phone's width at 96x96, ReLU, squeeze-excite in the last stage only",
            stem=32,
            stages=_HALF,
            head=256,
            image_size=96,
            embedding_size=128,
            activation="relu",
            # MEAN and broadcast MUL have no fast kernel on Arm; at 6x6 their cost is small.
            squeeze_excite=(3,),
            se_activation="relu",
            published=None,
        ),
    )
}


def list_models() -> list[str]:
    """Returns the names of all variants in registry order."""
    return list(_REGISTRY)


def get_config(variant: str) -> ModelConfig:
    """Returns the configuration of a variant.

    Args:
        variant: a name from `list_models()`.

    Raises:
        ValueError: if the variant is unknown; the message suggests the closest match and lists all variants.
    """
    if variant in _REGISTRY:
        return _REGISTRY[variant]
    raise ValueError(unknown_name("variant", variant, list_models()))
