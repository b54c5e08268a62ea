"""Whole networks: every entry of every tensor equal to LiteRT's reference kernels and TFLite Micro."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.reference import Interpreter
from seesaw_keras.tflite.runtimes import open_runtime

NATIVE = {"litert": "reference", "micro": "micro"}
IMAGES = 8


def _assert_equal(data, flavor, inputs):
    model = flatbuffer.loads(data)
    made = Interpreter(model, flavor).tensors(inputs)
    native = open_runtime(NATIVE[flavor], data)
    for place, image in enumerate(inputs):
        for number, right in native.tensors(image).items():
            tensor = model.main.tensors[number]
            np.testing.assert_array_equal(made[tensor][place], right, err_msg=tensor.name)


@pytest.mark.parametrize("flavor", NATIVE)
@pytest.mark.parametrize("variant", ["shuffle", "dw_v2", "mobilefacenet"])
def test_int8(variant, flavor, converted, faces):
    _assert_equal(converted(variant), flavor, (faces[:IMAGES, None].astype(np.int16) - 128).astype(np.int8))


@pytest.mark.parametrize("flavor", NATIVE)
def test_uint8_input(flavor, converted, faces):
    _assert_equal(converted("mobilefacenet", input_type="uint8"), flavor, faces[:IMAGES, None])


@pytest.mark.parametrize("type", ["float32", "float16"])
def test_float(type, converted, faces):
    data = converted("mobilefacenet", type=type)
    model = flatbuffer.loads(data)
    inputs = ((faces[:IMAGES, None] - 127.5) / 127.5).astype(np.float32)
    (made,) = Interpreter(model).run(inputs)
    right = open_runtime("reference", data).run(inputs[:, 0])
    np.testing.assert_allclose(made[:, 0], right, rtol=1e-5, atol=1e-5 * np.abs(right).max())


def test_dynamic_range_is_refused(converted):
    with pytest.raises(ValueError, match="weights of INT8 with an input of FLOAT32"):
        Interpreter(flatbuffer.loads(converted("mobilefacenet", type="dynamic")))
