"""The peers' flatbuffers, of three converters: the reference computes the integers of LiteRT's reference kernels."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.reference import Interpreter
from seesaw_keras.tflite.runtimes import open_runtime

# File -> what makes its input of pixels.
PEERS = {
    "ltkhang_mfn_uint8": lambda pixels: pixels,
    "zye1996_993_quant": lambda pixels: ((pixels - 127.5) / 128).astype(np.float32),
    "ltkhang_mfn": lambda pixels: pixels.astype(np.float32),
    "visassist_mfn_2.6MB": lambda pixels: ((pixels - 127.5) / 128).astype(np.float32),
}


@pytest.mark.parametrize("name", PEERS)
def test_every_tensor(name, shared):
    path = shared / "peers" / f"{name}.tflite"
    model = flatbuffer.read(path)
    pixels = np.random.RandomState(0).randint(0, 256, model.main.inputs[0].shape).astype(np.uint8)
    image = PEERS[name](pixels)
    made = Interpreter(model).tensors(image[None])
    native = open_runtime("reference", path).tensors(image)
    assert len(native) > 100
    for number, right in native.items():
        tensor = model.main.tensors[number]
        if right.dtype.kind == "f":
            np.testing.assert_allclose(made[tensor][0], right, rtol=1e-5, atol=1e-5 * np.abs(right).max())
        else:
            np.testing.assert_array_equal(made[tensor][0], right, err_msg=tensor.name)


def test_micro_cannot_find_free_sides(shared):
    with pytest.raises(ValueError, match=r"RESHAPE .* but the file declares"):
        Interpreter(flatbuffer.read(shared / "peers" / "ltkhang_mfn_uint8.tflite"), "tflm")
