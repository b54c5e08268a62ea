"""Each kernel alone, on operators drawn at random, against LiteRT's reference kernels and TFLite Micro: bit for bit."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
from seesaw_keras.tflite.reference import KERNELS, Interpreter
from seesaw_keras.tflite.runtimes import open_runtime

sys.path.insert(0, str(Path(__file__).parent))
from drawn_operators import ROWS, case
from drawn_operators.comparing import differences, refusal

OPERATORS = 20  # in one graph


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code} {row.type}" for row in ROWS])
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(r=st.randoms(use_true_random=False))
def test_native_integers(row, r):
    drawn = [case(r, row) for _ in range(OPERATORS)]
    for flavor in row.flavors:
        known = [case for case in drawn if refusal(case, flavor) is None]
        assert len(known) >= OPERATORS // 2
        assert differences(known, flavor) == []


@pytest.mark.parametrize("flavor", ["litert", "tflm"])
def test_factors_to_the_last_bit(flavor):
    """All pairs of integers, and sums that come close to half a step: where factors in float32 would show."""
    r = np.random.default_rng(0)
    integers = np.arange(-128, 128).astype(np.int8)
    first, second = np.meshgrid(integers, integers)
    cases = []
    for _ in range(20):
        a, b, c = (Quantization(r.uniform(0.01, 0.02), r.integers(-128, 128)) for _ in range(3))
        x, y, z = (Tensor(name, (256, 256), "INT8", q) for name, q in (("x", a), ("y", b), ("z", c)))
        cases.append((Operator("SUB", [x, y], [z], version=2), [first, second]))
        near = a.scale * b.scale * int(r.integers(1, 1 << 15)) / (int(r.integers(0, 127)) + 0.5)
        w = Tensor("w", (256, 256), "INT8", Quantization(near, c.zero_point))
        cases.append((Operator("MUL", [x, y], [w], version=2), [first, second]))
        weight, result = int(r.integers(1, 128)), r.integers(64, 127) + 0.5
        product = weight * r.integers(128, 256)
        shift = -np.frexp(result / product)[1]  # rounds up what is half of its last bit below a half
        factor = (result - 2.0 ** -(shift + 1)) / product if shift > 0 else result / product
        weights = Tensor.constant("w", np.full((1, 1), weight, np.int8), Quantization(b.scale))
        made = Quantization(a.scale * b.scale / factor, -128)
        x, y = Tensor("x", (256, 1), "INT8", Quantization(a.scale, -128)), Tensor("y", (256, 1), "INT8", made)
        cases.append((Operator("FULLY_CONNECTED", [x, weights, None], [y], version=4), [integers[:, None]]))
    for operator, arrays in cases:
        model = build(operator)
        (native,) = open_runtime({"litert": "reference"}.get(flavor, flavor), model).invoke(*arrays)
        (ours,) = Interpreter(model, flavor).run(*(array[None] for array in arrays))
        np.testing.assert_array_equal(ours[0], native)


def test_shape():
    x, y = Tensor("x", (2, 3), "INT8"), Tensor("y", (2,), "INT32")
    (made,) = Interpreter(build(Operator("SHAPE", [x], [y], {"out_type": "INT32"}))).run(np.zeros((4, 2, 3), np.int8))
    assert made.tolist() == [[2, 3]] * 4


def test_every_kernel_is_compared():
    assert {row.code for row in ROWS} == KERNELS.keys() - {"SHAPE"}
