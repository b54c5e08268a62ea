"""Layout operators, which move entries unchanged: RESHAPE, TRANSPOSE, CONCATENATION, SPLIT, SLICE, PAD and others.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (2, 3), "INT32"), Tensor("y", (3, 2), "INT32")
>>> swap = Operator("TRANSPOSE", [x, Tensor.constant("order", np.array([1, 0], np.int32))], [y])
>>> Interpreter(build(swap)).run(np.arange(6, dtype=np.int32).reshape(1, 2, 3))[0].tolist()
[[[0, 3], [1, 4], [2, 5]]]

The batch axis precedes the axes of the file, so the file's axis numbers are increased by one.
"""

import math

import numpy as np

from seesaw_keras.tflite.reference.node import Array, Compute, Node

__all__ = [
    "concatenation",
    "gather",
    "pack",
    "pad",
    "padv2",
    "reshape",
    "shape",
    "slice_",
    "split",
    "split_v",
    "strided_slice",
    "transpose",
]


# TFLite Micro does not support UINT8 in layout operators, nor INT32 in these.
_NO_INT32_IN_TFLM = {"EXPAND_DIMS", "GATHER", "TRANSPOSE"}


def _type(node: Node, inputs: int = 1) -> str:
    """The type of the moved tensor; raises UnsupportedError if the runtime does not support it."""
    types = ["INT8", "FLOAT32"]
    if node.flavor == "litert":
        types.append("UINT8")
    if node.flavor == "litert" or node.operator.code not in _NO_INT32_IN_TFLM:
        types.append("INT32")
    return node.type(*types, inputs=inputs)


def reshape(node: Node) -> Compute:
    """RESHAPE to a constant shape, in which one dimension may be -1 (inferred); SQUEEZE and EXPAND_DIMS."""
    _type(node)
    made = list(node.output.shape)
    if node.operator.code == "RESHAPE":
        made = list(node.option("new_shape")) if node.optional(1) is None else node.numbers(1)
    if made.count(-1) == 1:
        made[made.index(-1)] = math.prod(node.shape()) // max(1, -math.prod(made))
    node.require(math.prod(made) == math.prod(node.shape()), f"cannot reshape {node.shape()} to {tuple(made)}")
    return lambda x, *_: [x.reshape(len(x), *made)]


def transpose(node: Node) -> Compute:
    """TRANSPOSE."""
    _type(node)
    rank = len(node.shape())
    order = [1 + node.axis(axis, rank) for axis in node.numbers(1)]
    return lambda x, _: [x.transpose(0, *order)]


def concatenation(node: Node) -> Compute:
    """CONCATENATION; both runtimes require int8 inputs to have the output's quantization."""
    tensors = [node.input(index) for index in range(len(node.operator.inputs))]
    node.require(node.option("fused_activation_function") == "NONE", "a fused activation is not supported")
    if _type(node, len(tensors)) in ("INT8", "UINT8"):
        node.require_same_quantization(*tensors)
    axis = 1 + node.axis(node.option("axis"), len(node.shape()))

    def compute(*arrays: Array) -> list[Array]:
        images = min((len(array) for array in arrays), key=lambda count: (count == 1, count))
        return [np.concatenate([np.broadcast_to(array, (images, *array.shape[1:])) for array in arrays], axis)]

    return compute


def _split(node: Node, index: int, axis: int, sizes: list[int]) -> Compute:
    """Builds a splitting kernel.

    Args:
        node: node of the operator.
        index: input index of the tensor to split.
        axis: axis to split along.
        sizes: sizes of the parts; one may be -1 (inferred).
    """
    whole = node.input(index)
    node.require(
        whole.type == _type(node, inputs=0), f"{whole.type} input with {node.output.type} outputs is not supported"
    )
    axis = node.axis(axis, len(node.shape(index)))
    side = node.shape(index)[axis]
    if -1 in sizes:
        sizes = [side - sum(sizes) - 1 if size == -1 else size for size in sizes]
    fits = sum(sizes) == side and len(sizes) == len(node.operator.outputs) and min(sizes) >= 0
    node.require(
        fits, f"cannot split axis {axis} of {node.shape(index)} into {len(node.operator.outputs)} parts of {sizes}"
    )
    ends = np.cumsum(sizes)[:-1].tolist()
    return lambda *inputs: np.split(inputs[index], ends, 1 + axis)


def split(node: Node) -> Compute:
    """SPLIT, into equal parts."""
    (axis,), parts = node.numbers(0), len(node.operator.outputs)
    side = node.shape(1)[node.axis(axis, len(node.shape(1)))]
    return _split(node, 1, axis, [side // parts] * parts)


def split_v(node: Node) -> Compute:
    """SPLIT_V, into parts of given sizes."""
    (axis,) = node.numbers(2)
    return _split(node, 0, axis, node.numbers(1))


def slice_(node: Node) -> Compute:
    """SLICE: from a start index, a given number of entries per axis; -1 for all remaining ones."""
    _type(node)
    ranges = []
    for side, begin, size in zip(node.shape(), node.numbers(1), node.numbers(2), strict=True):
        end = side if size == -1 else begin + size
        node.require(0 <= begin <= end <= side, f"range {begin} to {end} is out of bounds for size {side}")
        ranges.append(slice(begin, end))
    kept = (slice(None), *ranges)
    return lambda x, *_: [x[kept]]


def strided_slice(node: Node) -> Compute:
    """STRIDED_SLICE, with Python slicing semantics; mask bits omit a begin or an end, or drop an axis of size 1."""
    _type(node)
    for name in ("ellipsis_mask", "new_axis_mask", "offset"):
        node.require(not node.option(name), f"{name} is not supported")
    ranges: list[slice | int] = []
    begins, ends, strides = (node.numbers(index) for index in (1, 2, 3))
    node.require(len(begins) == len(node.shape()), f"{len(begins)} begin values for input shape {node.shape()}")
    for axis, (side, begin, end, stride) in enumerate(zip(node.shape(), begins, ends, strides, strict=True)):
        without_begin, without_end, shrink = (
            node.option(f"{name}_mask") >> axis & 1 for name in ("begin", "end", "shrink_axis")
        )
        node.require(stride != 0, "a stride of 0 is not supported")
        if shrink:
            begin = 0 if without_begin else begin
            node.require(
                -side <= begin < side and stride > 0, f"unsupported index {begin} with stride {stride} for size {side}"
            )
            ranges.append(begin)
        else:
            ranges.append(slice(None if without_begin else begin, None if without_end else end, stride))
    kept = (slice(None), *ranges)
    return lambda x, *_: [x[kept]]


def gather(node: Node) -> Compute:
    """GATHER: entries along an axis at constant indices."""
    _type(node)
    node.require(node.option("batch_dims") == 0, "batch_dims is not supported")
    numbers = node.constant(1)
    axis = node.axis(node.option("axis"), len(node.shape()))
    side = node.shape()[axis]
    node.require(node.input(1).type == "INT32", f"the indices are {node.input(1).type}, expected INT32")
    node.require(
        bool(((numbers >= 0) & (numbers < side)).all()), f"an index is out of range for axis {axis} of size {side}"
    )
    return lambda x, _: [x.take(numbers, 1 + axis)]


def _pad_kernel(node: Node, value: int | float | Array) -> Compute:
    sides = node.constant(1)
    node.require(sides.shape == (len(node.shape()), 2), f"unsupported paddings shape {sides.shape}")
    node.require(bool((sides >= 0).all()), "negative paddings are not supported")
    widths = [(0, 0), *map(tuple, sides.tolist())]
    return lambda x, *_: [np.pad(x, widths, constant_values=value)]


def pad(node: Node) -> Compute:
    """PAD with zeros, which are the output's zero point in int8."""
    kind = node.type("INT8", "INT32", "FLOAT32")
    return _pad_kernel(node, node.zero_point(node.output) if kind == "INT8" else 0)


def padv2(node: Node) -> Compute:
    """PADV2 with a given value, quantized like the output."""
    if node.type("INT8", "INT32", "FLOAT32") == "INT8":
        node.require_same_quantization(node.input(2))
    node.require(
        node.input(2).type == node.output.type,
        f"the padding value is {node.input(2).type}, expected {node.output.type}",
    )
    return _pad_kernel(node, node.constant(2).item())


def shape(node: Node) -> Compute:
    """SHAPE, without the batch axis."""
    node.require(node.output.type == "INT32", f"the output is {node.output.type}, expected INT32")
    sides = np.array([node.shape()], np.int32)
    return lambda _: [sides]


def pack(node: Node) -> Compute:
    """PACK: stacks tensors of equal shape along a new axis."""
    inputs = len(node.operator.inputs)
    _type(node, inputs)
    axis = 1 + node.axis(node.option("axis"), len(node.shape()) + 1)
    return lambda *arrays: [np.stack(np.broadcast_arrays(*arrays), axis)]
