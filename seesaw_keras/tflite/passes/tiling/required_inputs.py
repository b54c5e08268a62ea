"""Input regions that an operator reads for a part of its output, and the changes to compute that part alone.

>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
>>> from seesaw_keras.tflite.passes.graph_index import GraphIndex
>>> from seesaw_keras.tflite.passes.tiling.boxes import Box
>>> from seesaw_keras.tflite.passes.tiling.required_inputs import required_inputs
>>> x, y = Tensor("x", (1, 8, 8, 4), "FLOAT32"), Tensor("y", (1, 4, 4, 4), "FLOAT32")
>>> pool = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, "padding": "VALID"}
>>> operator = Operator("MAX_POOL_2D", [x], [y], pool)
>>> required_inputs(GraphIndex(build(operator).main), operator, Box(1, 3, 0, 4)).inputs
[Box(top=2, bottom=6, first=0, last=4)]

A window of three rows that computes rows 4 to 7 reads rows 3 to 8: strips overlap by a halo, which is computed twice
(MCUNetV2, arXiv 2110.15352, section 3.1). Where the window extends beyond the image, the converter uses the kernel's
own padding; since a strip's two ends differ, its zeros are added by a separate PAD operator.
"""

from dataclasses import dataclass, field
from typing import Any

from seesaw_keras.tflite.flatbuffer import Operator
from seesaw_keras.tflite.passes.channels import channel_constants, rows
from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.tiling.boxes import Box, is_image, whole

__all__ = ["RequiredInputs", "ZeroPadding", "required_inputs"]

ZeroPadding = tuple[int, int, int, int]  # zeros above, below, left and right
_NONE: ZeroPadding = (0, 0, 0, 0)

_WINDOWED = frozenset(("AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"))
_RESIZING = frozenset(("MIRROR_PAD", "PADV2", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"))
_REDUCING = frozenset(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"))


@dataclass
class RequiredInputs:
    """Requirements for computing a box of an output.

    Attributes:
        inputs: box to read from each input; None for constants and omitted inputs.
        constants: input index to axis of constants with per-channel entries, of which the box's entries are taken.
        zero_padding: zero padding to add around the first input.
        options: operator options that differ for the part.
    """

    inputs: list[Box | None]
    constants: dict[int, int] = field(default_factory=dict)
    zero_padding: ZeroPadding = _NONE
    options: dict[str, Any] = field(default_factory=dict)


def required_inputs(graph_index: GraphIndex, operator: Operator, box: Box) -> RequiredInputs | None:
    """Returns the requirements for a box of an operator's only output; None if it can only be computed as a whole."""
    made = operator.outputs[0]
    if len(operator.outputs) > 1 or not is_image(made):
        return None
    in_rows = (box.top, box.bottom) != (0, made.shape[1])
    constants = _constants(graph_index, operator, (box.first, box.last) != (0, made.shape[3]))
    computed = [
        tensor if tensor is not None and graph_index.constant(operator, index) is None else None
        for index, tensor in enumerate(operator.inputs)
    ]
    if constants is None or any(t is not None and not is_image(t) for t in computed):
        return None
    if operator.code in _RESIZING | _REDUCING and in_rows:
        return None
    required = RequiredInputs([None if t is None else whole(t) for t in computed], constants)
    for index, tensor in enumerate(computed):
        given = required.inputs[index]
        if tensor is None or given is None:
            continue
        if operator.code != "CONV_2D":
            given = given._replace(first=box.first, last=box.last)
        if in_rows and operator.code not in _WINDOWED | {"PAD"} and tensor.shape[1] == made.shape[1]:
            given = given._replace(top=box.top, bottom=box.bottom)
        required.inputs[index] = given
    if operator.code == "PAD":
        return _padded(graph_index, operator, box, required)
    if operator.code in _WINDOWED and in_rows:
        return _windowed(operator, box, required)
    return required


def _constants(graph_index: GraphIndex, operator: Operator, in_channels: bool) -> dict[int, int] | None:
    """Constants that must be split with the part, as input index to axis; None if channels cannot be separated."""
    if operator.code == "CONV_2D":
        edits = rows(graph_index, operator, slice(None)) if in_channels else []  # type: ignore[arg-type]
        found = None if edits is None else {index: axis for _, index, axis, _ in edits}
    else:
        found = channel_constants(graph_index, operator)
    if found is None or any(operator.inputs[index].data is None for index in found):  # type: ignore[union-attr]
        return None
    # Constants that vary by row would have to be split by row.
    flat = all(
        constant is None or len(constant.shape) < 3 or constant.shape[-3] == 1 or operator.code in _WINDOWED
        for constant in (graph_index.constant(operator, index) for index in range(len(operator.inputs)))
    )
    return found if flat else None


def _padded(graph_index: GraphIndex, operator: Operator, box: Box, required: RequiredInputs) -> RequiredInputs | None:
    paddings, given = graph_index.constant(operator, 1), operator.inputs[0]
    if paddings is None or paddings.data is None or given is None or paddings.data[[0, 3]].any():
        return None
    (above, _), (left, right) = paddings.data[1:3].tolist()
    top, bottom = box.top - above, box.bottom - above
    height = given.shape[1]
    inside = max(top, 0), min(bottom, height)
    if inside[1] <= inside[0]:
        return None
    required.inputs[0] = Box(*inside, box.first, box.last)
    required.zero_padding = (inside[0] - top, bottom - inside[1], left, right)
    return required


def _windowed(operator: Operator, box: Box, required: RequiredInputs) -> RequiredInputs | None:
    given, options = required.inputs[0], operator.options
    assert given is not None
    (step, size, before, _), (_, _, left, right) = (_window(operator, axis) for axis in (1, 2))
    top, bottom = box.top * step - before, (box.bottom - 1) * step - before + size
    inside = max(top, given.top), min(bottom, given.bottom)
    if inside[1] <= inside[0]:
        return None
    required.inputs[0] = given._replace(top=inside[0], bottom=inside[1])
    required.zero_padding = (inside[0] - top, bottom - inside[1], left, right)
    if required.zero_padding != _NONE and "POOL" in operator.code:
        return None  # an average counts only taps inside the image, and a padded zero may become the maximum
    if options["padding"] != "VALID":
        required.options = {"padding": "VALID"}
    return required


def _window(operator: Operator, axis: int) -> tuple[int, int, int, int]:
    """Stride and extent of a window along an axis, and the padding before and after the image."""
    options, given, made = operator.options, operator.inputs[0], operator.outputs[0]
    assert given is not None
    letter, word = ("h", "height") if axis == 1 else ("w", "width")
    step, spread = options[f"stride_{letter}"], options.get(f"dilation_{letter}_factor", 1)
    weights = operator.inputs[1] if "POOL" not in operator.code else None
    taps = options[f"filter_{word}"] if weights is None else weights.shape[axis]
    size = (taps - 1) * spread + 1
    if options["padding"] == "VALID":
        return step, size, 0, 0
    beyond = max((made.shape[axis] - 1) * step + size - given.shape[axis], 0)
    return step, size, beyond // 2, beyond - beyond // 2
