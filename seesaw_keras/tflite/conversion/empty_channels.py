"""Convolution channels whose weights are all zero, as pruning leaves them; their output is their bias.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.conversion.empty_channels import restore_biases
>>> model, plain = flatbuffer.read("sparse_int8.tflite"), flatbuffer.read("sparse_float32.tflite")  # doctest: +SKIP
>>> restore_biases(model, plain)  # doctest: +SKIP
3

TensorFlow Lite's quantizer assigns such a channel a scale near zero (1e-9). The bias scale, the product of that and the
input's scale, is then so small that the bias overflows int32 and saturates.
"""

import numpy as np

from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization

__all__ = ["restore_biases"]

_BIAS_MAGNITUDE = 1 << 20  # quantized magnitude of a restored bias
_MIN_BIAS = 1e-6  # lower bound of the bias magnitude that sets the scale


def restore_biases(model: Model, plain: Model) -> int:
    """Gives channels without weights a scale in which their bias is representable.

    Args:
        model: an int8 network as produced by TensorFlow Lite's quantizer; modified in place.
        plain: the float network it was quantized from, with the same tensor names.

    Returns:
        Number of restored channels.
    """
    biases = {operator.outputs[0].name: _bias(operator) for operator in plain.main.operators}
    return sum(_restore(operator, biases.get(operator.outputs[0].name)) for operator in model.main.operators)


def _bias(operator: Operator) -> np.ndarray | None:
    """The bias of a convolution; None for other operators and where there is no bias."""
    if operator.code not in ("CONV_2D", "DEPTHWISE_CONV_2D") or len(operator.inputs) < 3 or operator.inputs[2] is None:
        return None
    return operator.inputs[2].data


def _restore(operator: Operator, real: np.ndarray | None) -> int:
    if _bias(operator) is None or real is None:
        return 0
    given, weights, bias = operator.inputs
    assert given is not None and given.quantization is not None and bias is not None and bias.data is not None
    assert weights is not None and weights.data is not None and weights.quantization is not None
    axis = 0 if operator.code == "CONV_2D" else 3
    empty = ~weights.data.any(axis=tuple(set(range(4)) - {axis}))
    if not empty.any():
        return 0
    unit = np.float32(given.quantization.scale)
    scales = weights.quantization.scales.copy()
    scales[empty] = np.maximum(np.abs(real[empty]), _MIN_BIAS) / (_BIAS_MAGNITUDE * unit)
    weights.quantization = Quantization(scales, 0, weights.quantization.axis)
    bias.data = np.where(empty, np.rint(real / (scales * unit)), bias.data).astype(np.int32)
    bias.quantization = Quantization(scales * unit)
    return int(empty.sum())
