"""AVERAGE_POOL_2D and MAX_POOL_2D.

>>> import numpy as np
>>> from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
>>> from seesaw_keras.tflite.reference import Interpreter
>>> x, y = Tensor("x", (1, 2, 2, 1), "INT8", Quantization(1)), Tensor("y", (1, 1, 1, 1), "INT8", Quantization(1))
>>> pool = Operator("AVERAGE_POOL_2D", [x], [y], {"filter_height": 2, "filter_width": 2, "padding": "VALID"})
>>> Interpreter(build(pool)).run(np.array([1, 2, 2, 1], np.int8).reshape(1, 1, 2, 2, 1))[0].item()  # 1.5
2
"""

import numpy as np

from seesaw_keras.tflite.reference.node import Array, Compute, Node
from seesaw_keras.tflite.reference.operators.windows import Windows

__all__ = ["average_pool_2d", "max_pool_2d"]


def _prepared(node: Node) -> tuple[str, Windows, Array, Array]:
    """The type, the windows and the limits of the fused activation; pooling does not rescale."""
    kind = node.type("INT8", "FLOAT32")
    windows = Windows.of(node, (node.option("filter_height"), node.option("filter_width")))
    if kind == "FLOAT32":
        low, high = (np.float32(limit) for limit in node.activation())
        return kind, windows, low, high
    node.require_same_quantization(node.input())
    low, high = (np.int8(limit) for limit in node.limits())
    return kind, windows, low, high


def average_pool_2d(node: Node) -> Compute:
    """AVERAGE_POOL_2D, over the taps inside the image.

    int8 (kernels/internal/reference/integer_ops/pooling.h): the sum of the integers, divided with ties away from zero.
    """
    kind, windows, low, high = _prepared(node)
    inside = np.add.reduce(list(windows.taps(np.ones((1, *windows.image, 1), np.int64))))

    def compute(x: Array) -> list[Array]:
        images = x.reshape(-1, *x.shape[2:])
        sums = np.add.reduce(list(windows.taps(images.astype(np.float64 if kind == "FLOAT32" else np.int64))))
        if kind == "FLOAT32":
            means = (sums / inside).astype(np.float32)
        else:
            means = np.sign(sums) * ((np.abs(sums) + inside // 2) // inside)
        return [np.clip(means, low, high).astype(x.dtype).reshape(*x.shape[:2], *means.shape[1:])]

    return compute


def max_pool_2d(node: Node) -> Compute:
    """MAX_POOL_2D, over the taps inside the image."""
    kind, windows, low, high = _prepared(node)
    least = -np.inf if kind == "FLOAT32" else np.iinfo(np.int8).min

    def compute(x: Array) -> list[Array]:
        images = x.reshape(-1, *x.shape[2:])
        largest = np.full((len(images), *windows.output, images.shape[3]), least, x.dtype)
        for tap in windows.taps(images, least):
            np.maximum(largest, tap, out=largest)
        return [np.clip(largest, low, high).reshape(*x.shape[:2], *largest.shape[1:])]

    return compute
