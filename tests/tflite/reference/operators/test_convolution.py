"""Sums at the ends of what floating point, and int32, can hold."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
from seesaw_keras.tflite.reference import Interpreter
from seesaw_keras.tflite.reference.operators.convolution import accumulator
from seesaw_keras.tflite.runtimes import open_runtime


@pytest.mark.parametrize(
    ("weights", "largest", "expected"),
    [
        (np.full((1, 1 << 10), 1 << 6), 1 << 8, np.float32),
        (np.full((1, 1 << 10), -(1 << 6)), (1 << 8) + 1, np.float64),
        (np.eye(1 << 12, dtype=int) << 16, 1 << 8, np.float32),  # each sum has one addend
    ],
)
def test_type_of_exact_sums(weights, largest, expected):
    assert accumulator(weights, largest, 0) is expected


def test_sums_beyond_float64_are_refused():
    with pytest.raises(ValueError, match="not exact in float64"):
        accumulator(np.full((1, 1 << 23), 1 << 23), 1 << 8, 0)


@pytest.mark.parametrize("bias", [0, 1, -(1 << 24), (1 << 31) - 1])
def test_the_largest_sums_are_exact(bias):
    """1,201 times 127 * 255 is over 2**24; with the largest bias it leaves int32."""
    taken, scale = 1201, 2.0**-20
    x, y = Tensor("x", (1, taken), "INT8", Quantization(1.0, -128)), Tensor("y", (1, 2), "INT8", Quantization(1.0))
    weights = Tensor.constant("w", np.full((2, taken), 127, np.int8), Quantization([scale, scale / 3]))
    biases = Tensor.constant("b", np.full(2, bias, np.int32), Quantization([scale, scale / 3]))
    model = build(Operator("FULLY_CONNECTED", [x, weights, biases], [y], version=5))
    total = taken * 127 * 255 + bias
    wrapped = (total + (1 << 31)) % (1 << 32) - (1 << 31)
    image = np.full((1, taken), 127, np.int8)
    for flavor, native in [("litert", "reference"), ("tflm", "tflm")]:
        (made,) = Interpreter(model, flavor).run(image[None])
        np.testing.assert_array_equal(made[0], open_runtime(native, model).invoke(image)[0])
        assert made[0, 0, 0] == max(-128, min(127, round(wrapped * scale)))
