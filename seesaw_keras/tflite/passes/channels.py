"""Channel semantics of operators: channelwise, mixing, slicing or concatenating.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
>>> from seesaw_keras.tflite.passes.channels import channel_constants, channel_slices
>>> from seesaw_keras.tflite.passes.graph_index import GraphIndex
>>> x, y = Tensor("x", (1, 8, 8, 4), "FLOAT32"), Tensor("y", (1, 8, 8, 4), "FLOAT32")
>>> slopes = Tensor.constant("slopes", np.float32([[[0.1, 0.2, 0.3, 0.4]]]))
>>> prelu = Operator("PRELU", [x, slopes], [y])
>>> channel_constants(GraphIndex(build(prelu).main), prelu)
{1: 2}

Channels are the last axis. A depthwise convolution, an activation or a spatial mean computes output channel i only from
input channel i. A convolution mixes channels: the order of its input and output channels is the order of its weights.
"""

import numpy as np
import numpy.typing as npt

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.graph_index import GraphIndex

__all__ = [
    "Edit",
    "Order",
    "channel_constants",
    "channel_slices",
    "columns",
    "joined_parts",
    "rows",
    "sliced",
]

Order = npt.NDArray[np.intp]
# An operator, the input index of a constant, the constant's axis, and the indices to take along it.
Edit = tuple[Operator, int, int, Order]

_UNARY_CODES = """
ABS AVERAGE_POOL_2D DEQUANTIZE ELU GELU HARD_SWISH LEAKY_RELU LOGISTIC MAX_POOL_2D NEG QUANTIZE RELU RELU6 RELU_0_TO_1
RELU_N1_TO_1 RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SQRT SQUARE TANH
"""
_UNARY = frozenset(_UNARY_CODES.split())
_BROADCASTING = frozenset(("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"))
_PADDING = frozenset(("MIRROR_PAD", "PAD", "PADV2"))
_REDUCING = frozenset(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"))
_CHANNELWISE = _UNARY | _BROADCASTING | _PADDING | _REDUCING | {"DEPTHWISE_CONV_2D"}
_MIXING = {"CONV_2D": 3, "FULLY_CONNECTED": 1}  # input-channel axis of the weights


def channel_constants(graph_index: GraphIndex, operator: Operator) -> dict[int, int] | None:
    """Returns a channelwise operator's constants with per-channel entries, as input index to axis.

    Returns:
        None if the operator is not known to compute each channel only from the same channel of its inputs.
    """
    code = operator.code
    if code not in _CHANNELWISE:
        return None
    given, made = operator.inputs[0], operator.outputs[0]
    if given is None or not given.shape or not made.shape or given.data is not None:
        return None
    if code in _BROADCASTING:
        return _broadcast(graph_index, operator)
    if given.shape[-1] != made.shape[-1]:
        return None
    if code in _UNARY:
        return {}
    if code in _PADDING:
        paddings = graph_index.constant(operator, 1)
        return {} if paddings is not None and paddings.data is not None and not paddings.data[-1].any() else None
    if code in _REDUCING:
        axes = graph_index.constant(operator, 1)
        apart = axes is not None and axes.data is not None and -1 not in axes.data % len(given.shape) - len(given.shape)
        return {} if apart else None
    return {1: 3} | ({2: 0} if _is_biased(operator) else {})


def _is_biased(operator: Operator) -> bool:
    return len(operator.inputs) > 2 and operator.inputs[2] is not None


def _broadcast(graph_index: GraphIndex, operator: Operator) -> dict[int, int] | None:
    channels = operator.outputs[0].shape[-1]
    constants = {}
    for index, tensor in enumerate(operator.inputs):
        if tensor is None:
            return None
        entry_a_channel = tensor.shape[-1:] == (channels,)
        if graph_index.constant(operator, index) is None:
            if tensor.data is not None or not entry_a_channel:
                return None
        elif entry_a_channel:
            constants[index] = len(tensor.shape) - 1
    return constants


def _mixes(graph_index: GraphIndex, operator: Operator) -> bool:
    axis = _MIXING.get(operator.code)
    if axis is None:
        return False
    weights, given, made = graph_index.constant(operator, 1), operator.inputs[0], operator.outputs[0]
    if weights is None or given is None or not given.shape or not made.shape:
        return False
    return (
        len(weights.shape) > axis
        and weights.shape[axis] == given.shape[-1]  # fewer input channels: grouped convolution
        and weights.shape[0] == made.shape[-1]
        and (not _is_biased(operator) or graph_index.constant(operator, 2) is not None)
        and operator.options.get("weights_format", "DEFAULT") == "DEFAULT"
    )


def rows(graph_index: GraphIndex, operator: Operator, order: Order) -> list[Edit] | None:
    """Returns the edits that reorder the output channels of a convolution or dense layer; None for other operators."""
    if not _mixes(graph_index, operator):
        return None
    return [(operator, index, 0, order) for index in ((1, 2) if _is_biased(operator) else (1,))]


def columns(graph_index: GraphIndex, operator: Operator, order: Order) -> list[Edit] | None:
    """Returns the edits that reorder the input channels of a convolution or dense layer; None for other operators."""
    return [(operator, 1, _MIXING[operator.code], order)] if _mixes(graph_index, operator) else None


def joined_parts(operator: Operator) -> list[Tensor] | None:
    """Returns the inputs of a CONCATENATION along channels; None for any other operator."""
    if operator.code != "CONCATENATION" or operator.options["fused_activation_function"] != "NONE":
        return None
    last = operator.options["axis"] in (-1, len(operator.outputs[0].shape) - 1)
    return [tensor for tensor in operator.inputs if tensor is not None] if last else None


def sliced(operator: Operator) -> Tensor | None:
    """Returns the input tensor of a slice or split; None for any other operator."""
    index = {"SLICE": 0, "STRIDED_SLICE": 0, "SPLIT": 1, "SPLIT_V": 0}.get(operator.code)
    return None if index is None else operator.inputs[index]


def channel_slices(graph_index: GraphIndex, operator: Operator) -> list[tuple[Tensor, int, int]] | None:
    """Returns (output, begin, end) per output of a slice or split along channels; None for any other operator."""
    given = sliced(operator)
    if given is None or not given.shape:
        return None
    if operator.code in ("SLICE", "STRIDED_SLICE"):
        bounds = _slice_bounds(graph_index, operator, given)
        return [(operator.outputs[0], *bounds)] if bounds else None
    axis = graph_index.constant(operator, 0 if operator.code == "SPLIT" else 2)
    if axis is None or axis.data is None or axis.data.item() not in (-1, len(given.shape) - 1):
        return None
    ends = np.cumsum([tensor.shape[-1] for tensor in operator.outputs]).tolist()
    return [(t, end - t.shape[-1], end) for t, end in zip(operator.outputs, ends, strict=True)]


def _slice_bounds(graph_index: GraphIndex, operator: Operator, given: Tensor) -> tuple[int, int] | None:
    constants = [graph_index.constant(operator, index) for index in range(1, len(operator.inputs))]
    values = [c.data.tolist() for c in constants if c is not None and c.data is not None]
    if len(values) != len(constants):
        return None
    if operator.code == "SLICE":
        begins, sizes = values
        bounds = [
            (begin, dimension if size == -1 else begin + size)
            for begin, size, dimension in zip(begins, sizes, given.shape, strict=True)
        ]
    else:
        options = operator.options
        unusual = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")
        if any(options[name] for name in unusual) or any(step != 1 for step in values[2]):
            return None
        bounds = [
            (
                0 if options["begin_mask"] >> axis & 1 else begin % dimension,
                dimension if options["end_mask"] >> axis & 1 else end + dimension * (end < 0),
            )
            for axis, (begin, end, dimension) in enumerate(zip(values[0], values[1], given.shape, strict=True))
        ]
    whole = all(bound == (0, dimension) for bound, dimension in zip(bounds[:-1], given.shape[:-1], strict=True))
    begin, end = bounds[-1]
    return (begin, end) if whole and end - begin == operator.outputs[0].shape[-1] else None
