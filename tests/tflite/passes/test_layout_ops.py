"""Layout operators compared with NumPy."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Quantization, Tensor, build
from seesaw_keras.tflite.passes.layout_ops import LayoutOps
from seesaw_keras.tflite.runtimes import open_runtime


@pytest.mark.parametrize("type", ["INT8", "FLOAT32"])
def test_layout_ops(type):
    x = Tensor("x", (2, 3, 4), type, Quantization(0.5, -7) if type == "INT8" else None)
    layout_ops = LayoutOps("moved")
    turned = layout_ops.transpose(layout_ops.reshape(x, 4, 6), 1, 0)
    cut = layout_ops.cut(layout_ops.pad(turned, 1, 2), (2, 1), (7, 6))
    made = Tensor("made", (5, 10), type, x.quantization)
    layout_ops.join([cut, cut])
    layout_ops.into(made)
    model = build(*layout_ops.operators, inputs=[x], outputs=[made])
    array = np.random.RandomState(0).randint(-128, 128, x.shape).astype(x.dtype)
    (found,) = open_runtime("reference", model).invoke(array)
    zero = -7 if type == "INT8" else 0
    padded = np.pad(array.reshape(4, 6).T, ((0, 1), (0, 2)), constant_values=zero)[2:7, 1:6]
    np.testing.assert_array_equal(found, np.concatenate([padded, padded], axis=1))
    names = [tensor.name for tensor in model.main.tensors]
    assert len(set(names)) == len(names)
