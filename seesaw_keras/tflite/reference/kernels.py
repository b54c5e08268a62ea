"""Table of all operators supported by the reference interpreter, with the function that prepares each."""

from collections.abc import Callable

from seesaw_keras.tflite.reference.arithmetic import quantization
from seesaw_keras.tflite.reference.node import Compute, Node
from seesaw_keras.tflite.reference.operators import (
    activations,
    convolution,
    dense,
    elementwise,
    layout,
    normalization,
    pooling,
    reduction,
)

__all__ = ["KERNELS"]

KERNELS: dict[str, Callable[[Node], Compute]] = {
    "ABS": elementwise.absolute,
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool_2d,
    "CONCATENATION": layout.concatenation,
    "CONV_2D": convolution.conv_2d,
    "DEPTHWISE_CONV_2D": convolution.depthwise_conv_2d,
    "DEQUANTIZE": quantization.dequantize,
    "EXPAND_DIMS": layout.reshape,
    "FULLY_CONNECTED": dense.fully_connected,
    "GATHER": layout.gather,
    "HARD_SWISH": activations.hard_swish,
    "L2_NORMALIZATION": normalization.l2_normalization,
    "LEAKY_RELU": activations.leaky_relu,
    "LOGISTIC": activations.logistic,
    "MAXIMUM": elementwise.maximum,
    "MAX_POOL_2D": pooling.max_pool_2d,
    "MEAN": reduction.mean,
    "MINIMUM": elementwise.minimum,
    "MUL": elementwise.multiply,
    "PACK": layout.pack,
    "PAD": layout.pad,
    "PADV2": layout.padv2,
    "PRELU": activations.prelu,
    "QUANTIZE": quantization.quantize,
    "RELU": activations.relu,
    "RELU6": activations.relu6,
    "RELU_N1_TO_1": activations.relu_n1_to_1,
    "RESHAPE": layout.reshape,
    "SHAPE": layout.shape,
    "SLICE": layout.slice_,
    "SOFTMAX": normalization.softmax,
    "SPLIT": layout.split,
    "SPLIT_V": layout.split_v,
    "SQUEEZE": layout.reshape,
    "STRIDED_SLICE": layout.strided_slice,
    "SUB": elementwise.subtract,
    "SUM": reduction.sum_,
    "TANH": activations.tanh,
    "TRANSPOSE": layout.transpose,
}
