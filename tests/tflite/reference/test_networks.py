"""Networks in types that the tests of `check`, which run every variant in int8, do not come to."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.checking.check import check
from seesaw_keras.tflite.reference import Interpreter
from seesaw_keras.tflite.runtimes import open_runtime

IMAGES = 8


def test_uint8_input(converted, faces):
    result = check(converted("mobilefacenet", input_type="uint8"), {"faces": faces[:IMAGES]})
    assert result.passed
    assert {"NumPy"} <= {equality.right for equality in result.equalities}


@pytest.mark.parametrize("type", ["float32", "float16"])
def test_float(type, converted, faces):
    data = converted("mobilefacenet", type=type)
    model = flatbuffer.loads(data)
    inputs = ((faces[:IMAGES, None] - 127.5) / 127.5).astype(np.float32)
    (made,) = Interpreter(model).run(inputs)
    right = open_runtime("reference", data).run(inputs[:, 0])
    np.testing.assert_allclose(made[:, 0], right, rtol=1e-5, atol=1e-5 * np.abs(right).max())


def test_dynamic_range_is_refused(converted):
    with pytest.raises(ValueError, match="INT8 weights with FLOAT32 input are not supported"):
        Interpreter(flatbuffer.loads(converted("mobilefacenet", type="dynamic")))
