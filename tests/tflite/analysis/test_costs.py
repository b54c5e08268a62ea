"""Parameters and multiply-adds against Keras, live memory against a count by hand."""

import numpy as np
import pytest

from seesaw_keras.api import keras
from seesaw_keras.models.counting import count_madds
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.costs import activation_peak, cost_of, lifetimes, live_bytes
from seesaw_keras.tflite.flatbuffer import Operator, Tensor


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mobilefacenet", "shuffle"])
def test_int8_costs_what_keras_counts(variant, network, converted):
    model, cost = network(variant), cost_of(flatbuffer.loads(converted(variant)))
    assert cost.madds == count_madds(model)
    # Batch normalization is folded: of gamma and beta, one number per channel remains, the bias.
    gammas = sum(layer.gamma.shape[0] for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert cost.parameters == trainable - gammas


@pytest.mark.slow
@pytest.mark.parametrize("type", ["float32", "float16", "dynamic"])
def test_other_types_have_the_same_parameters(type, converted):
    int8, other = (cost_of(flatbuffer.loads(converted("mobilefacenet", type=t))) for t in ("int8", type))
    assert (other.parameters, other.madds) == (int8.parameters, int8.madds)


def test_peak_by_hand():
    image, a, b, c, d = (
        Tensor(name, (1, size), "INT8") for name, size in zip("iabcd", (7, 100, 30, 20, 10), strict=True)
    )
    model = flatbuffer.build(
        Operator("LOGISTIC", [image], [a]),  # i a: 107
        Operator("LOGISTIC", [a], [b]),  # a b: 130
        Operator("LOGISTIC", [b], [c]),  # b c: 50
        Operator("ADD", [b, c], [d]),  # b c d: 60
    )
    assert activation_peak(model.main) == 130
    for tensor in (a, b, c):
        tensor.type = "FLOAT32"
    assert activation_peak(model.main) == 520
    model.main.outputs.append(a)  # lives to the end
    assert activation_peak(model.main) == 4 * (100 + 30 + 20) + 10


def test_table_holds_the_figures():
    image, made = Tensor("i", (1, 1000), "INT8"), Tensor("m", (1, 1000), "INT8")
    table = cost_of(flatbuffer.build(Operator("LOGISTIC", [image], [made]))).table(123456)
    for figure in ("123,456 bytes", "2,000 bytes", "LOGISTIC"):
        assert figure in table


def test_what_lives_when():
    a, b, c, d = (Tensor(name, (1, size), "INT8") for name, size in zip("abcd", (1, 10, 100, 1000), strict=True))
    operators = [Operator("RELU", [a], [b]), Operator("RELU", [b], [c]), Operator("RELU", [b], [d])]
    graph = flatbuffer.build(*operators, outputs=[c, d]).main
    assert lifetimes(graph) == {a: (0, 0), b: (0, 2), c: (1, 2), d: (2, 2)}
    assert live_bytes(graph) == [11, 110, 1110]
    assert activation_peak(graph) == 1110
