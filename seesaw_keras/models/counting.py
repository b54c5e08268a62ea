"""Parameter, multiply-add and activation memory counts of a network; `summaries.py` formats them as tables.

>>> import seesaw_keras
>>> seesaw_keras.model_info("shuffle").madds
145762816
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.models.builder import build
from seesaw_keras.models.configs import Published, get_config

__all__ = ["KindCost", "ModelInfo", "activation_peak", "count_madds", "count_parameters", "kind_costs", "model_info"]

_NONLINEAR = ("ReLU", "PReLU", "Swish", "HardSwish", "HardSigmoid", "Activation")
_DATA_MOVEMENT = ("ZeroPadding2D", "ChannelSlice", "ChannelShuffle", "Concatenate")
_IN_PLACE = (*_NONLINEAR, "BatchNormalization", "Flatten", "UnitNormalization")


@dataclass(frozen=True)
class KindCost:
    """Total cost of all layers of one kind.

    Attributes:
        kind: kind of layer, such as "1x1 convolution".
        layers: number of layers.
        parameters: number of trainable parameters.
        madds: multiply-adds per image.
    """

    kind: str
    layers: int
    parameters: int
    madds: int


@dataclass(frozen=True)
class ModelInfo:
    """Statistics of a variant at its default image and embedding size.

    Attributes:
        variant: name in the registry.
        summary: one-line description.
        parameters: number of trainable parameters, excluding moving statistics as in the original code.
        madds: multiply-adds per image in convolutions and dense layers.
        kinds: costs by kind of layer.
        activation_peak: peak number of live activation entries, see `activation_peak`.
        published: published accuracies with their source; None for this project's variants.
    """

    variant: str
    summary: str
    parameters: int
    madds: int
    kinds: tuple[KindCost, ...]
    activation_peak: int
    published: Published | None


def count_madds(model: Any) -> int:
    """Returns the multiply-adds per image in convolutions and dense layers, counted as in the paper."""
    return sum(_layer_madds(layer) for layer in model.layers)


def _layer_madds(layer: Any) -> int:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        height, width, channels = layer.output.shape[1:]
        return height * width * channels * _product(layer.depthwise_kernel.shape[:2])
    if isinstance(layer, keras.layers.Conv2D):
        height, width, channels = layer.output.shape[1:]
        return height * width * channels * _product(layer.kernel.shape[:3])
    if isinstance(layer, keras.layers.Dense):
        return _product(layer.output.shape[1:]) * layer.kernel.shape[0]
    return 0


def _product(values: Iterable[int]) -> int:
    result = 1
    for value in values:
        result *= int(value)
    return result


def _kind(layer: Any) -> str:
    name = type(layer).__name__
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return "depthwise convolution"
    if isinstance(layer, keras.layers.Conv2D):
        if tuple(layer.kernel_size) != (1, 1):
            return "{}x{} convolution".format(*layer.kernel_size)
        return "dense (1x1 on one pixel)" if tuple(layer.output.shape[1:3]) == (1, 1) else "1x1 convolution"
    if name == "BatchNormalization":
        return "batch normalization"
    if name in _NONLINEAR:
        return "nonlinearity"
    if name in _DATA_MOVEMENT:
        return "slice, concatenate, shuffle, pad"
    return "add, multiply, pool, reshape"


def kind_costs(model: Any) -> tuple[KindCost, ...]:
    """Returns the cost of each kind of layer, most multiply-adds first, excluding the input layer."""
    costs: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        cost = costs[_kind(layer)]
        cost[0] += 1
        cost[1] += count_parameters(layer)
        cost[2] += _layer_madds(layer)
    return tuple(
        KindCost(kind, *cost) for kind, cost in sorted(costs.items(), key=lambda item: (-item[1][2], -item[1][1]))
    )


def count_parameters(model: Any) -> int:
    """Returns the number of trainable parameters of a model or layer, excluding moving statistics."""
    return sum(_product(weight.shape) for weight in model.trainable_weights)


def activation_peak(model: Any) -> int:
    """Returns the peak number of live activation entries: the number of bytes in int8, a quarter of those in float32.

    Layers run in the order of `model.layers`; a tensor is live from its computation to its last use; batch
    normalization and activation functions work in place. Additional arena memory of a runtime is not included.
    """
    last_use: dict[int, int] = {}
    for step, layer in enumerate(model.layers):
        for tensor in _tensors(layer.input):
            last_use[id(tensor)] = step
    live: dict[int, int] = {}
    peak = 0
    for step, layer in enumerate(model.layers):
        freed = [id(tensor) for tensor in _tensors(layer.input) if last_use[id(tensor)] == step]
        if type(layer).__name__ in _IN_PLACE:
            for tensor in freed:
                live.pop(tensor, None)
        live[id(layer.output)] = _product(layer.output.shape[1:])
        peak = max(peak, sum(live.values()))
        for tensor in freed:
            if tensor != id(layer.output):
                live.pop(tensor, None)
    return peak


def _tensors(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def model_info(variant: str) -> ModelInfo:
    """Builds a variant and returns its statistics.

    Args:
        variant: a name from `list_models()`.

    Raises:
        ValueError: if the variant is unknown.
    """
    config = get_config(variant)
    model = build(variant)
    return ModelInfo(
        variant=variant,
        summary=config.summary,
        parameters=count_parameters(model),
        madds=count_madds(model),
        kinds=kind_costs(model),
        activation_peak=activation_peak(model),
        published=config.published,
    )
