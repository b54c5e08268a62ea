"""Dense layers as 1x1 convolutions, which are bit-exact across runtimes.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.conversion.dense_layers import dense_to_convolution
>>> model = flatbuffer.read("dense_head_int8.tflite")  # doctest: +SKIP
>>> dense_to_convolution(model)  # doctest: +SKIP
2

Both operators sum the same int8 products in int32 and multiply the sum by one real factor per channel. In CONV_2D and
DEPTHWISE_CONV_2D every runtime does so in integers, with a 32-bit multiplier and a shift, rounding twice. In
FULLY_CONNECTED TFLite Micro does the same, but LiteRT multiplies in double precision and rounds once
(kernels/internal/reference/integer_ops/fully_connected.h: "performs requant in float to avoid loss of precision"). The
results therefore differ by one step wherever the two roundings disagree.
"""

import numpy as np

from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Subgraph, Tensor

__all__ = ["dense_to_convolution"]


def dense_to_convolution(model: Model) -> int:
    """Replaces every int8 FULLY_CONNECTED that has constant weights with a 1x1 CONV_2D.

    A convolution requires four dimensions. Tensors that already have four are used directly; others get a RESHAPE
    before and after, which is free where a runtime works in place. Redundant RESHAPEs are removed.

    Args:
        model: model with static shapes; modified in place. Dense layers of other types, and those whose weights are
            computed or have a nonzero zero point, are kept.

    Returns:
        Number of replaced layers.
    """
    graph = model.main
    dense = [operator for operator in graph.operators if _is_replaceable(operator)]
    for operator in dense:
        index = graph.operators.index(operator)
        graph.operators[index : index + 1] = _convolution(graph, operator)
    if dense:
        _simplify_reshapes(graph)
        _list_tensors(graph)
    return len(dense)


def _is_replaceable(operator: Operator) -> bool:
    if operator.code != "FULLY_CONNECTED" or operator.options["weights_format"] != "DEFAULT":
        return False
    given, weights = operator.inputs[:2]
    assert given is not None and weights is not None
    return (
        {given.type, weights.type, operator.outputs[0].type} == {"INT8"}
        and weights.data is not None
        and weights.quantization is not None
        and not weights.quantization.zero_points.any()
    )


def _convolution(graph: Subgraph, dense: Operator) -> list[Operator]:
    """The convolution that replaces a dense layer, with RESHAPEs where the shapes require them."""
    given, weights = dense.inputs[:2]
    (made,) = dense.outputs
    assert given is not None and weights is not None and weights.data is not None
    channels, depth = weights.shape
    kernel = Tensor.constant(weights.name, weights.data.reshape(channels, 1, 1, depth), weights.quantization)
    bias = dense.inputs[2] if len(dense.inputs) > 2 else None
    if bias is None:
        bias = _zero_bias(given, kernel)  # LiteRT requires a bias
    before, behind = [], []
    source = _reshape_source(graph, given)
    if len(source.shape) != 4 or source.shape[3] != depth:
        source = Tensor(given.name, (1, given.size // depth, 1, depth), "INT8", given.quantization)
        before = [_reshape(given, source)]
    image = made
    if made.shape != (*source.shape[:3], channels):
        image = Tensor(made.name, (*source.shape[:3], channels), "INT8", made.quantization)
        behind = [_reshape(image, made)]
    options = {"padding": "VALID", "fused_activation_function": dense.options["fused_activation_function"]}
    return [*before, Operator("CONV_2D", [source, kernel, bias], [image], options, version=3), *behind]


def _zero_bias(given: Tensor, weights: Tensor) -> Tensor:
    assert given.quantization is not None and weights.quantization is not None
    scales = weights.quantization.scales * np.float32(given.quantization.scale)
    return Tensor.constant(f"{weights.name}/bias", np.zeros(weights.shape[0], np.int32), Quantization(scales))


def _reshape(given: Tensor, made: Tensor) -> Operator:
    shape = Tensor.constant(f"{made.name}/shape", np.array(made.shape, np.int32))
    return Operator("RESHAPE", [given, shape], [made])


def _reshape_source(graph: Subgraph, tensor: Tensor) -> Tensor:
    producers = graph.producers()
    while tensor in producers and producers[tensor].code == "RESHAPE":
        (before, *_) = producers[tensor].inputs
        assert before is not None
        tensor = before
    return tensor


def _simplify_reshapes(graph: Subgraph) -> None:
    """Connects each RESHAPE to the input of the first in its chain, and removes redundant and unused ones."""
    replacements: dict[Tensor | None, Tensor] = {}
    for operator in graph.operators:
        operator.inputs[:] = [replacements.get(tensor, tensor) for tensor in operator.inputs]
        if operator.code == "RESHAPE":
            (made,) = operator.outputs
            operator.inputs[0] = source = _reshape_source(graph, made)
            if made.shape == source.shape and made not in graph.outputs:
                replacements[made] = source
    for operator in reversed(graph.operators.copy()):
        taken = {*graph.outputs, *(tensor for other in graph.operators for tensor in other.inputs)}
        if operator.code == "RESHAPE" and operator.outputs[0] not in taken:
            graph.operators.remove(operator)


def _list_tensors(graph: Subgraph) -> None:
    """Updates `graph.tensors`: removes unused tensors and appends new ones."""
    named = dict.fromkeys([*graph.inputs, *graph.outputs])
    for operator in graph.operators:
        named |= dict.fromkeys(t for t in [*operator.inputs, *operator.outputs, *operator.intermediates] if t)
    known = dict.fromkeys(tensor for tensor in graph.tensors if tensor in named)
    graph.tensors[:] = known | named
