"""What a network costs: parameters, multiply-adds and memory of its activations. `tables.py` prints it.

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
_MOVES = ("ZeroPadding2D", "ChannelSlice", "ChannelShuffle", "Concatenate")
_IN_PLACE = (*_NONLINEAR, "BatchNormalization", "Flatten", "UnitNormalization")


@dataclass(frozen=True)
class KindCost:
    """The cost of all layers of one kind.

    Attributes:
        kind: such as "1x1 convolution".
        layers: how many.
        parameters: trainable ones.
        madds: multiply-adds of one image.
    """

    kind: str
    layers: int
    parameters: int
    madds: int


@dataclass(frozen=True)
class ModelInfo:
    """The facts about a variant at its own image and embedding size.

    Attributes:
        variant: name in the registry.
        summary: what it is, in a line.
        parameters: trainable ones; moving statistics are not counted, as the reference counts.
        madds: multiply-adds of one image, in convolutions and dense layers.
        kinds: the same by kind of layer.
        activation_peak: largest sum of live activations in entries; see `activation_peak`.
        published: accuracies that others report, with their source; None for a variant of ours.
    """

    variant: str
    summary: str
    parameters: int
    madds: int
    kinds: tuple[KindCost, ...]
    activation_peak: int
    published: Published | None


def count_madds(model: Any) -> int:
    """Returns the multiply-adds of one image in convolutions and dense layers, as the paper counts them."""
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
    if name in _MOVES:
        return "slice, concatenate, shuffle, pad"
    return "add, multiply, pool, reshape"


def kind_costs(model: Any) -> tuple[KindCost, ...]:
    """Returns the cost of each kind of layer, most multiply-adds first; the input layer is no kind."""
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
    """Returns the trainable parameters of a model or layer; moving statistics are none, as the reference counts."""
    return sum(_product(weight.shape) for weight in model.trainable_weights)


def activation_peak(model: Any) -> int:
    """Returns the largest number of entries that are live at once: bytes in int8, a quarter of the bytes in float32.

    Layers run in the order of `model.layers`; a tensor lives from its making to its last use; batch normalization and
    nonlinearities work in place. What a runtime's arena needs beyond that is measured, not computed.
    """
    last_use: dict[int, int] = {}
    for step, layer in enumerate(model.layers):
        for tensor in _tensors(layer.input):
            last_use[id(tensor)] = step
    live: dict[int, int] = {}
    peak = 0
    for step, layer in enumerate(model.layers):
        dying = [id(tensor) for tensor in _tensors(layer.input) if last_use[id(tensor)] == step]
        if type(layer).__name__ in _IN_PLACE:
            for tensor in dying:
                live.pop(tensor, None)
        live[id(layer.output)] = _product(layer.output.shape[1:])
        peak = max(peak, sum(live.values()))
        for tensor in dying:
            if tensor != id(layer.output):
                live.pop(tensor, None)
    return peak


def _tensors(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def model_info(variant: str) -> ModelInfo:
    """Builds a variant and returns the facts about it.

    Args:
        variant: a name from `list_models()`.

    Raises:
        ValueError: on an unknown variant.
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
