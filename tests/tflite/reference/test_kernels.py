"""Each kernel alone, on operators drawn at random, against LiteRT's reference kernels and TFLite Micro: bit for bit."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.flatbuffer import Operator, Tensor, build
from seesaw_keras.tflite.reference import KERNELS, Interpreter

sys.path.insert(0, str(Path(__file__).parent))
from drawn_operators import ROWS, case
from drawn_operators.comparing import differences, refusal

OPERATORS = 20  # in one graph


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code} {row.type}" for row in ROWS])
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(r=st.randoms(use_true_random=False))
def test_native_integers(row, r):
    drawn = [case(r, row) for _ in range(OPERATORS)]
    for flavor in row.flavors:
        known = [case for case in drawn if refusal(case, flavor) is None]
        assert len(known) >= OPERATORS // 2
        assert differences(known, flavor) == []


def test_shape():
    x, y = Tensor("x", (2, 3), "INT8"), Tensor("y", (2,), "INT32")
    (made,) = Interpreter(build(Operator("SHAPE", [x], [y], {"out_type": "INT32"}))).run(np.zeros((4, 2, 3), np.int8))
    assert made.tolist() == [[2, 3]] * 4


def test_every_kernel_is_compared():
    assert {row.code for row in ROWS} == KERNELS.keys() - {"SHAPE"}
