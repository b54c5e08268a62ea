"""Operator-by-operator comparison of a quantization-aware network with the flatbuffer converted from it.

>>> from seesaw_keras.compression import fake_quantized_matches
>>> worst, *_ = fake_quantized_matches(aware, flatbuffer, images)  # doctest: +SKIP
>>> worst  # doctest: +SKIP
OperatorMatch(layer='stem_act', code='MUL', entries=65536, within=0.99998, equal=0.93, furthest=2)
>>> worst.good  # doctest: +SKIP
True
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.compression.layer_graph import producers
from seesaw_keras.tflite.conversion.interface import pixel_table, to_float
from seesaw_keras.tflite.flatbuffer import ModelSource, Subgraph, Tensor
from seesaw_keras.tflite.runtimes import open_runtime

__all__ = ["OperatorMatch", "fake_quantized_matches"]

LEAST_SHARE = 0.999
_PARTS = ("_act", "_bn", "_conv")  # suffixes of layers that are fused into one operator


@dataclass(frozen=True)
class OperatorMatch:
    """Difference between two computations of one operator with the same integer inputs.

    Attributes:
        layer: layer of the network; the last one if several were fused into one operator.
        code: operator that produces the integers.
        entries: number of compared values, over all images.
        within: fraction of values that differ by at most one step of the output scale.
        equal: fraction of values that are equal.
        furthest: maximum difference in steps.
    """

    layer: str
    code: str
    entries: int
    within: float
    equal: float
    furthest: int

    @property
    def good(self) -> bool:
        """Whether at least 99.9% of the entries are within one step."""
        return self.within >= LEAST_SHARE


def fake_quantized_matches(model: Any, flatbuffer: ModelSource, images: npt.NDArray[np.uint8]) -> list[OperatorMatch]:
    """Compares a quantization-aware network with its flatbuffer on LiteRT's reference kernels.

    Each layer is computed from the integer inputs of the corresponding flatbuffer operator, so differences do not
    accumulate.

    Args:
        model: a model from `quantize_aware`, trained or not.
        flatbuffer: its conversion by `tflite.conversion.convert.convert`, without embedding normalization; see
            `open_runtime`.
        images: uint8 RGB (n, side, side, 3).

    Returns:
        One entry per operator (some layers have several), largest difference first.

    Raises:
        ValueError: if the flatbuffer was not converted from this network or was modified afterwards.
    """
    runtime = open_runtime("reference", flatbuffer)
    graph = runtime.model.main
    tensors = _tensors_by_layer(model, graph)
    pixels = _pixels(graph)
    table = pixel_table(runtime.model)
    if table is None:
        raise ValueError("the flatbuffer was modified: its metadata does not give the input preprocessing")
    runs = [runtime.tensors(table[image][None]) for image in images]
    numbers = {tensor: number for number, tensor in enumerate(graph.tensors)}
    made_by = graph.producers()
    taken = producers(model)
    values: dict[str, Any] = {}
    matches = []
    for layer in model.layers:
        if not taken[layer.name]:
            values[layer.name] = to_float(images)
            continue
        inputs = [values[source.name] for source in taken[layer.name]]
        made = values[layer.name] = np.asarray(layer(inputs[0] if len(inputs) == 1 else inputs, training=False))
        if layer.name in tensors:
            tensor = tensors[layer.name]
            integers = np.concatenate([run[numbers[tensor]] for run in runs])
            half = 0.5 if tensor in pixels else 0.0
            matches.append(_match(layer.name, made_by[tensor].code, made, integers, tensor, half))
            values[layer.name] = _real(integers, tensor, half)
    return sorted(matches, key=lambda match: (match.within, match.equal))


def _tensors_by_layer(model: Any, graph: Subgraph) -> dict[str, Tensor]:
    """Returns the output tensor of each layer that has one, using the tensor names from `name_tensors`."""
    named = {tensor.name: tensor for tensor in graph.producers()}
    found: dict[str, Tensor] = {}
    last: dict[str, str] = {}  # last of the layers fused into one operator
    for layer in model.layers:
        name = layer.name.removeprefix("quant_")
        if name in named:
            found[layer.name] = named[name]
            continue
        for part in _PARTS:
            name = name.removesuffix(part)
        last[name] = layer.name
    found |= {layer: named[name] for name, layer in last.items() if name in named and named[name] not in found.values()}
    there = {tensor.name for tensor in found.values()}
    strange = [name for name in named if name.partition("/")[0] not in there]
    if strange or not found:
        raise ValueError(
            f"the flatbuffer was not converted from {model.name}, or was modified: {len(strange)} tensors do not "
            f"belong to a layer, the first is {strange[0] if strange else 'all'!r}"
        )
    return found


def _pixels(graph: Subgraph) -> set[Tensor]:
    """Returns the input and its padded copies; their integers q mean (q + 0.5) / 127.5, see `set_pixel_input`."""
    pixels = {*graph.inputs}
    for operator in graph.operators:
        if operator.code == "PAD" and operator.inputs[0] in pixels:
            pixels |= {*operator.outputs}
    return pixels


def _real(integers: np.ndarray, tensor: Tensor, half: float) -> np.ndarray:
    quantization = tensor.quantization
    assert quantization is not None
    return ((integers.astype(np.float32) - quantization.zero_point + half) * quantization.scale).astype(np.float32)


def _match(layer: str, code: str, made: np.ndarray, integers: np.ndarray, tensor: Tensor, half: float) -> OperatorMatch:
    quantization = tensor.quantization
    assert quantization is not None
    limits = np.iinfo(integers.dtype)
    steps = np.rint(made / quantization.scale + quantization.zero_point - half)
    away = np.abs(np.clip(steps, limits.min, limits.max).reshape(integers.shape) - integers)
    return OperatorMatch(
        layer=layer.removeprefix("quant_"),
        code=code,
        entries=integers.size,
        within=float(np.mean(away <= 1)),
        equal=float(np.mean(away == 0)),
        furthest=int(away.max()),
    )
