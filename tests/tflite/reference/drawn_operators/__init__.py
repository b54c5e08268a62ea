"""Operators drawn at random: what the tests and benchmarks/reference_kernels.py compare with the native runtimes."""

from collections.abc import Callable
from typing import NamedTuple

from drawn_operators import arithmetic, layout, products
from drawn_operators.drawing import data
from seesaw_keras.tflite.flatbuffer import Operator

__all__ = ["ROWS", "Case", "Row", "case"]

IMAGES = 2  # for which an operator is computed


class Case(NamedTuple):
    """An operator, and what it is computed for: (images, *shape) for each input that is not constant."""

    operator: Operator
    inputs: dict


class Row(NamedTuple):
    """Of the table of what is compared: an operator's code, its types, how to draw one, and in which flavors it is."""

    code: str
    type: str
    draw: Callable
    flavors: tuple = ("litert", "tflm")


def case(r, row):
    """An operator of a row, and inputs for it."""
    operator = row.draw(r, row.code, row.type)
    computed = [tensor for tensor in operator.inputs if tensor is not None and tensor.data is None]
    return Case(operator, {tensor: data(r, (IMAGES, *tensor.shape), tensor.type) for tensor in computed})


_BOTH = ("INT8", "FLOAT32")
_DRAWN = {
    "ABS": (arithmetic.rectifier, ("FLOAT32",)),
    "ADD": (arithmetic.binary, (*_BOTH, "INT32")),
    "AVERAGE_POOL_2D": (arithmetic.pool, _BOTH),
    "CONV_2D": (products.conv_2d, _BOTH),
    "DEPTHWISE_CONV_2D": (products.depthwise_conv_2d, _BOTH),
    "DEQUANTIZE": (arithmetic.dequantize, ("INT8", "UINT8", "INT16")),
    "FULLY_CONNECTED": (products.fully_connected, _BOTH),
    "HARD_SWISH": (arithmetic.rectifier, _BOTH),
    "L2_NORMALIZATION": (arithmetic.l2_normalization, _BOTH),
    "LEAKY_RELU": (arithmetic.rectifier, _BOTH),
    "LOGISTIC": (arithmetic.sigmoid, _BOTH),
    "MAXIMUM": (arithmetic.binary, _BOTH),
    "MAX_POOL_2D": (arithmetic.pool, _BOTH),
    "MEAN": (arithmetic.reduce, _BOTH),
    "MINIMUM": (arithmetic.binary, _BOTH),
    "MUL": (arithmetic.binary, (*_BOTH, "INT32")),
    "PAD": (layout.pad, (*_BOTH, "INT32")),
    "PADV2": (layout.pad, (*_BOTH, "INT32")),
    "PRELU": (arithmetic.prelu, _BOTH),
    "QUANTIZE": (
        arithmetic.quantize,
        (
            *("FLOAT32 INT8", "INT8 INT8", "UINT8 INT8", "INT8 UINT8", "INT8 INT16"),
            *("INT16 INT8", "INT16 INT16", "INT16 INT32", "INT32 INT8", "INT32 INT16"),
        ),
    ),
    "RELU": (arithmetic.rectifier, _BOTH),
    "RELU6": (arithmetic.rectifier, _BOTH),
    "SOFTMAX": (arithmetic.softmax, _BOTH),
    "SUB": (arithmetic.binary, (*_BOTH, "INT32")),
    "SUM": (arithmetic.reduce, _BOTH),
    "TANH": (arithmetic.sigmoid, _BOTH),
}
_MOVED = {
    "CONCATENATION": layout.concatenation,
    "EXPAND_DIMS": layout.expand_dims,
    "GATHER": layout.gather,
    "PACK": layout.pack,
    "RESHAPE": layout.reshape,
    "SLICE": layout.slice_,
    "SPLIT": layout.split,
    "SPLIT_V": layout.split_v,
    "SQUEEZE": layout.squeeze,
    "STRIDED_SLICE": layout.strided_slice,
    "TRANSPOSE": layout.transpose,
}
_LITERT = ("litert",)
_NO_INT32_IN_TFLM = ("EXPAND_DIMS", "GATHER", "TRANSPOSE")
ROWS = [
    *(Row(code, type, draw) for code, (draw, types) in _DRAWN.items() for type in types),
    *(
        Row("QUANTIZE", types, arithmetic.quantize, _LITERT)
        for types in ("FLOAT32 UINT8", "UINT8 UINT8", "UINT8 INT16")
    ),
    *(Row("RELU_N1_TO_1", type, arithmetic.rectifier, _LITERT) for type in _BOTH),
    *(Row(code, type, draw) for code, draw in _MOVED.items() for type in _BOTH),
    *(Row(code, "UINT8", draw, _LITERT) for code, draw in _MOVED.items()),
    *(
        Row(code, "INT32", draw, _LITERT if code in _NO_INT32_IN_TFLM else ("litert", "tflm"))
        for code, draw in _MOVED.items()
    ),
]
