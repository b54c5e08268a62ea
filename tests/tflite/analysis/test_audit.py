"""What the audit says of operators: measured, or asked of the programs themselves."""

import re

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.audit import TFLM_OPERATORS, audit, has_fast_tflm_kernel, xnnpack_partitions
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Subgraph, Tensor, build
from seesaw_keras.tflite.flatbuffer.schema import ENUMS, default_options
from seesaw_keras.tflite.runtimes import open_runtime

ABSENT = "LSH_PROJECTION"  # not supported by TFLite Micro
# The first is for custom operators, the others are no operators.
NO_OPERATORS = {"CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"}


def value(name, *shape, type="INT8"):
    return Tensor(name, shape, type, Quantization(0.1) if type == "INT8" else None)


def options(code):
    """Options that no verifier objects to."""
    positive = ("filter_", "block_size", "depth_multiplier")
    return {name: 1 for name in default_options(code) if name.startswith(positive) or "subgraph" in name}


@pytest.mark.parametrize("code", sorted(set(ENUMS["BuiltinOperator"]) - NO_OPERATORS))
def test_micro_has_what_is_listed(code):
    """It looks for all operators before it prepares the first: one that it lacks, put behind, keeps it from that."""
    pytest.importorskip("tflite_micro")
    x, y, z = value("x", 1, 4), value("y", 1, 4), value("z", 1, 4)
    inputs = [x] * (3 if code == "DEPTHWISE_CONV_2D" else 1)
    model = build(Operator(code, inputs, [y], options(code)), Operator(ABSENT, [y], [z]))
    model.subgraphs.append(Subgraph([], [], [], [], "empty"))  # for operators that call one
    with pytest.raises(ValueError, match="Didn't find op for builtin opcode") as refusal:
        open_runtime("tflm", model)
    missing = re.search(r"opcode '(\w+)'", str(refusal.value))[1]
    assert (missing == ABSENT and code != ABSENT) == (code in TFLM_OPERATORS)


class TestPartitions:
    @pytest.mark.slow
    def test_relu6_leaves_one(self, converted):
        model = flatbuffer.loads(converted("phone", "relu6"))
        (only,) = xnnpack_partitions(model)
        assert only == model.main.operators

    @pytest.mark.slow
    def test_every_int8_prelu_breaks_it_in_two(self, converted):
        model = flatbuffer.loads(converted("mobilefacenet", "prelu"))
        parts = xnnpack_partitions(model)
        prelus = [operator for operator in model.main.operators if operator.code == "PRELU"]
        assert len(parts) == len(prelus) + 1
        taken = [operator for part in parts for operator in part]
        assert len(taken) == len(set(taken))
        assert set(taken) == set(model.main.operators) - set(prelus)

    def test_what_litert_cannot_run(self):
        with pytest.raises(ValueError, match="LiteRT cannot run the model"):
            xnnpack_partitions(build(Operator(ABSENT, [value("x", 1, 4)], [value("y", 1, 4)])))


@pytest.mark.parametrize(
    ("operator", "fast"),
    [
        (Operator("MUL", [value("a", 1, 4, 4, 8), value("b", 1, 4, 4, 8)], [value("y", 1, 4, 4, 8)]), True),
        (Operator("MUL", [value("a", 1, 4, 4, 8), value("b", 1, 1, 1, 8)], [value("y", 1, 4, 4, 8)]), False),
        (Operator("TRANSPOSE", [value("a", 1, 4, 2, 8), None], [value("y", 1, 4, 8, 2)]), True),
        (Operator("TRANSPOSE", [value("a", 1, 2, 2, 2, 8), None], [value("y", 1, 2, 2, 8, 2)]), False),
        (Operator("RESHAPE", [value("a", 4, type="FLOAT32")], [value("y", 2, 2, type="FLOAT32")]), True),
        (Operator("ADD", [value("a", 4, type="FLOAT32")] * 2, [value("y", 4, type="FLOAT32")]), False),
        (Operator("LOGISTIC", [value("a", 4)], [value("y", 4)]), False),
    ],
)
def test_kernels_of_cmsis(operator, fast):
    assert has_fast_tflm_kernel(operator) == fast


def test_shares():
    """A 1x1 convolution of 8 to 4 channels with 16 pixels, PReLU of its output, and their sum."""
    image, made, bent, total = value("image", 1, 4, 4, 8), *(value(name, 1, 4, 4, 4) for name in ("y", "z", "sum"))
    weights = Tensor.constant("w", np.ones((4, 1, 1, 8), np.int8), Quantization([0.1] * 4))
    bias = Tensor.constant("b", np.zeros(4, np.int32), Quantization([0.01] * 4))
    slopes = Tensor.constant("s", np.ones((1, 1, 4), np.int8), Quantization(0.01))
    model = build(
        Operator("CONV_2D", [image, weights, bias], [made], version=3),
        Operator("PRELU", [made, slopes], [bent]),
        Operator("ADD", [made, bent], [total], version=2),
    )
    found = audit(flatbuffer.dumps(model))
    convolution, prelu, addition = 128 + 32 + 16 + 64, 64 + 4 + 64, 3 * 64
    rows = {row.code: row for row in found.rows}
    assert [row.traffic for row in found.rows] == [convolution, addition, prelu]
    assert rows["CONV_2D"].madds == 16 * 4 * 8
    assert (rows["PRELU"].in_xnnpack, rows["PRELU"].in_cmsis, rows["PRELU"].in_tflm) == (0, 0, True)
    assert found.slow["XNNPACK"] == found.slow["CMSIS-NN"] == (0, prelu / (convolution + prelu + addition))
    assert found.partitions == 2
    (advice,) = found.advice
    assert advice.startswith("PRELU: not delegated in int8")
    assert "XNNPACK, in 2 partitions: 0.0% of multiply-adds and 23.4% of bytes are not on its kernels" in found.table()


@pytest.mark.slow
def test_advice_for_what_is_fast_but_not_the_same(converted):
    x, y = value("x", 1, 4), value("y", 1, 4)
    weights = Tensor.constant("w", np.ones((4, 4), np.int8), Quantization([0.1] * 4))
    (advice,) = audit(flatbuffer.dumps(build(Operator("FULLY_CONNECTED", [x, weights], [y], version=5)))).advice
    assert "1x1 CONV_2D" in advice
    (advice,) = audit(converted("mobilefacenet", type="float32")).advice
    assert "compute in float" in advice


def test_advice_for_what_micro_lacks():
    image, made = value("x", 1, 4, type="FLOAT32"), value("y", 1, 4, type="FLOAT32")
    assert (
        "GELU: not supported by TFLite Micro"
        in audit(flatbuffer.dumps(build(Operator("GELU", [image], [made])))).advice
    )
