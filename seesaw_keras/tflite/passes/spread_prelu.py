"""Rewrites an int8 PReLU as the maximum of two products.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import spread_prelu
>>> spread_prelu(flatbuffer.read("mobilefacenet_prelu_int8.tflite").main)  # doctest: +SKIP
33

XNNPACK has no int8 PReLU, and LiteRT's own kernel is scalar: it takes nine tenths of an int8 MobileFaceNet's time. But
slopes can be the weights of a depthwise 1x1 convolution, and if all are less than 1

    PRELU(x) = MAXIMUM(QUANTIZE(x), DEPTHWISE_CONV_2D(x, slopes))

where both branches rescale as PRELU does, and rounding is monotonic. Bit-exactness is tested on all 256 values of every
channel (`reference`); operators that are not bit-exact are kept.
"""

import math

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor, build
from seesaw_keras.tflite.passes.graph_index import GraphIndex, remove_dead_ops, substitute
from seesaw_keras.tflite.reference import Interpreter

__all__ = ["spread_prelu"]


def spread_prelu(graph: Subgraph) -> int:
    """Replaces int8 PReLUs of images; those of a single pixel (in squeeze-excite) are too cheap to matter.

    Args:
        graph: modified in place.

    Returns:
        Number of replaced operators.
    """
    return sum(_spread(graph, operator) for operator in list(graph.operators) if operator.code == "PRELU")


def _spread(graph: Subgraph, prelu: Operator) -> bool:
    given, made, slopes = prelu.inputs[0], prelu.outputs[0], GraphIndex(graph).constant(prelu, 1)
    if given is None or slopes is None or {given.type, slopes.type, made.type} != {"INT8"} or len(given.shape) != 4:
        return False
    if math.prod(given.shape[1:3]) == 1 or slopes.shape[-1:] != (slopes.size,) or slopes.size != given.shape[3]:
        return False
    operators = _operators(given, slopes, made)
    if operators is None or not _is_same(given, slopes, made):
        return False
    substitute(graph, prelu, operators)
    remove_dead_ops(graph)
    return True


def _operators(given: Tensor, slopes: Tensor, made: Tensor) -> list[Operator] | None:
    """The replacement of a PReLU; None if the slopes cannot be convolution weights."""
    assert slopes.data is not None and slopes.quantization is not None and given.quantization is not None
    weights = slopes.data.astype(np.int64).reshape(1, 1, 1, -1) - slopes.quantization.zero_point
    if np.abs(weights).max(initial=0) > np.iinfo(np.int8).max:
        return None
    scales = np.repeat(slopes.quantization.scales, slopes.size)
    kept, sloped = (Tensor(f"{made.name}/{part}", made.shape, "INT8", made.quantization) for part in ("kept", "sloped"))
    constants = [
        Tensor.constant(f"{sloped.name}/weights", weights.astype(np.int8), Quantization(scales, axis=3)),
        Tensor.constant(
            f"{sloped.name}/bias",
            np.zeros(slopes.size, np.int32),
            Quantization(scales * np.float32(given.quantization.scale)),
        ),
    ]
    return [
        Operator("QUANTIZE", [given], [kept], version=2),
        Operator("DEPTHWISE_CONV_2D", [given, *constants], [sloped], {"depth_multiplier": 1}, 3),
        Operator("MAXIMUM", [kept, sloped], [made], version=2),
    ]


def _is_same(given: Tensor, slopes: Tensor, made: Tensor) -> bool:
    """Whether the replacement is bit-exact for every input value in every channel."""
    shape = (1, 16, 16, given.shape[3])
    image, result = (Tensor(tensor.name, shape, "INT8", tensor.quantization) for tensor in (given, made))
    integers = np.arange(-128, 128).astype(np.int8).reshape(1, 1, 16, 16, 1).repeat(shape[3], axis=4)
    replacement = _operators(image, slopes, result)
    assert replacement is not None
    expected, found = (
        Interpreter(build(*operators)).run(integers)[0]
        for operators in ([Operator("PRELU", [image, slopes], [result])], replacement)
    )
    return np.array_equal(expected, found)
