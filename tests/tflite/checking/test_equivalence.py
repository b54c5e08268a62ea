"""One entry of one output that differs is an error that names runtime and input."""

import numpy as np
import pytest

from seesaw_keras.tflite.checking.equivalence import require_same_outputs
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build


def ramp(steps, type="INT8", last=0):
    """A model that adds 0, 1, 2 ... to each of four entries, and one more to the last."""
    quantization = Quantization(1.0) if type == "INT8" else None
    given, made = (Tensor(name, (1, 4), type, quantization) for name in ("given", "made"))
    added = Tensor.constant("added", (np.arange(4) * steps + [0, 0, 0, last])[None].astype(made.dtype), quantization)
    return build(Operator("ADD", [given, added], [made], version=2 if quantization else 1))


def test_the_same_is_no_error():
    inputs = np.arange(12, dtype=np.int8).reshape(3, 4)
    seen = []
    require_same_outputs(ramp(1), ramp(1), inputs, progress=lambda *step: seen.append(step))
    assert seen == [(name, n, 3) for name in ("LiteRT reference", "NumPy") for n in (1, 2, 3)]
    floats = inputs.astype(np.float32)
    require_same_outputs(ramp(1, "FLOAT32"), ramp(1 + 1e-6, "FLOAT32"), floats)


def test_one_differing_integer():
    inputs = np.array([[127, 127, 127, 127], [0, 0, 0, 0]], np.int8)  # the first saturates
    with pytest.raises(ValueError, match=r"LiteRT reference: input 1: .* in 1 of 4 entries"):
        require_same_outputs(ramp(1), ramp(1, last=1), inputs)
    with pytest.raises(ValueError, match="NumPy: input 1"):
        require_same_outputs(ramp(1), ramp(1, last=1), inputs, runtimes=["numpy"])


def test_floats_beyond_the_tolerance():
    inputs = np.zeros((1, 4), np.float32)
    for other in (ramp(1 + 3e-5, "FLOAT32"), ramp(np.nan, "FLOAT32")):
        with pytest.raises(ValueError, match="output of the rewritten network differs"):
            require_same_outputs(ramp(1, "FLOAT32"), other, inputs)
