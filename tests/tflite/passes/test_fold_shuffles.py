"""Shuffles are folded into the surrounding operators, and stay where one of them cannot absorb the order."""

from itertools import pairwise

import numpy as np
import pytest

from seesaw_keras.tflite.analysis.costs import cost_of
from seesaw_keras.tflite.passes import fold_shuffles


@pytest.mark.parametrize("type", ["INT8", "FLOAT32"])
def test_seesaw_block(type, new_net, applied, codes):
    net = new_net(channels=8, type=type)
    model = net.model(net.conv(net.block(net.conv(net.image, 8), 16), 5))
    madds = cost_of(model).madds
    assert applied(model, fold_shuffles) == [1]
    assert not {"TRANSPOSE", "RESHAPE"} & set(codes(model))
    assert cost_of(model).madds == madds
    # The narrow convolution of the expansion became two; what the projections read are slices as before.
    assert codes(model).count("CONV_2D") == 1 + 3 + 2 + 2 + 1
    assert codes(model).count("STRIDED_SLICE") == 4
    join = next(operator for operator in model.main.operators if operator.code == "CONCATENATION")
    assert [tensor.shape[3] for tensor in join.inputs] == [2, 12, 2]


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("groups", [2, 3, 6, 12])
def test_one_convolution_makes_the_shuffled_order(groups, flat, new_net, applied, codes):
    net = new_net(channels=4)
    x = net.shuffle(net.prelu(net.depthwise(net.swish(net.conv(net.image, 12)))), groups, flat)
    model = net.model(net.cut(x, 1, 5), net.unary("RELU", x))  # these depend on the order
    assert applied(model, fold_shuffles) == [1]
    assert codes(model) == ["CONV_2D", "LOGISTIC", "MUL", "DEPTHWISE_CONV_2D", "PRELU", "STRIDED_SLICE", "RELU"]


def test_dense_layers_and_squeeze_excite_absorb_it(new_net, applied, codes):
    net = new_net(channels=8)
    x = net.join(net.conv(net.image, 3), net.conv(net.image, 5))
    x = net.squeeze_excite(net.shuffle(net.squeeze_excite(net.pad(x)), 4))
    model = net.model(net.dense(net.mean(x), 6))
    assert applied(model, fold_shuffles) == [1]
    assert "TRANSPOSE" not in codes(model)
    # All channels are read together, so no convolution was cut.
    assert codes(model).count("CONV_2D") == 6


def test_shuffles_one_after_the_other(new_net, applied, codes):
    net = new_net(channels=4)
    x = net.shuffle(net.swish(net.shuffle(net.conv(net.image, 12), 2)), 3)
    model = net.model(net.conv(x, 4))
    assert applied(model, fold_shuffles) == [2]
    assert codes(model) == ["CONV_2D", "LOGISTIC", "MUL", "CONV_2D"]


def test_weights_in_float16(new_net, applied, codes):
    """They go through a DEQUANTIZE, which has to stay between."""
    from seesaw_keras.tflite.flatbuffer import Operator, Tensor

    net = new_net(channels=8, type="FLOAT32")
    model = net.model(net.conv(net.block(net.conv(net.image, 8), 16), 5))
    for operator in list(model.main.operators):
        if "CONV_2D" in operator.code:
            wide = operator.inputs[1]
            narrow = Tensor.constant("narrow", wide.data.astype(np.float16))
            wide.data = None
            model.main.tensors.append(narrow)
            model.main.operators.insert(0, Operator("DEQUANTIZE", [narrow], [wide]))
    assert applied(model, fold_shuffles) == [1]
    assert "TRANSPOSE" not in codes(model)
    assert {t.type for t in model.main.tensors if t.data is not None and t.name == "narrow"} == {"FLOAT16"}


def _shuffled_pair(net):
    return net.shuffle(net.join(net.conv(net.image, 4), net.conv(net.image, 8)), 2)


def _halves(net, x):
    return net.cut(x, 0, 6), net.cut(x, 6, 12)


BLOCKED = {
    "the input of the graph": lambda net: net.conv(net.shuffle(net.image, 2), 4),
    "a concatenation of what no convolution makes": lambda net: net.cut(
        net.shuffle(net.join(net.cut(net.image, 1, 5), net.conv(net.image, 4)), 2), 0, 3
    ),
    "rows and columns": lambda net: net.conv(net.transpose(net.conv(net.image, 8), (0, 2, 1, 3)), 4),
    "an output of the graph": lambda net: net.shuffle(net.conv(net.image, 8), 2),
    "a convolution in groups after it": lambda net: net.conv(
        net.shuffle(net.join(net.conv(net.image, 4), net.conv(net.image, 4)), 4), 6, groups=2
    ),
    "a convolution in groups before it": lambda net: net.conv(net.shuffle(net.conv(net.image, 8, groups=2), 2), 4),
    "slices that are added": lambda net: net.conv(net.binary("ADD", *_halves(net, _shuffled_pair(net))), 4),
    "halves that are added": lambda net: net.conv(net.binary("ADD", *net.split(_shuffled_pair(net), 6, 6)), 4),
    "slices of rows": lambda net: net.conv(net.cut(_shuffled_pair(net), 0, 6, rows=2), 4),
    "another shape": lambda net: net.dense(net.reshape(net.shuffle(net.mean(net.image), 2), (1, 8)), 3),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_stays_if_no_operator_can_absorb_it(case, new_net, unchanged):
    net = new_net(channels=8)
    unchanged(net.model(BLOCKED[case](net)), fold_shuffles)


def test_stays_where_the_order_is_seen(new_net, unchanged):
    def convolutions():
        net = new_net(channels=8)
        return net, net.join(net.conv(net.image, 4), net.conv(net.image, 8))

    net, x = convolutions()
    y = net.shuffle(x, 2)
    unchanged(net.model(net.conv(y, 3), y), fold_shuffles)  # an output of the graph
    net, x = convolutions()
    y = net.shuffle(x, 2)
    unchanged(net.model(net.conv(y, 3), net.unary("TANH", x)), fold_shuffles)  # the order before it is one
    net, x = convolutions()
    y = net.reshape(net.shuffle(x, 2), (1, 16, 12))
    unchanged(net.model(y), fold_shuffles)  # the order after a RESHAPE is unknown
    net = new_net(channels=8)
    narrow = net.conv(net.image, 4)
    y = net.shuffle(net.join(narrow, net.conv(net.image, 8)), 2)
    y = net.cut(y, 0, 3), net.cut(y, 3, 12)
    unchanged(
        net.model(net.conv(y[0], 2), net.conv(y[1], 2), net.conv(narrow, 2)), fold_shuffles
    )  # narrow is read whole


def test_stays_where_it_would_take_too_many_pieces(new_net, unchanged, applied):
    def network(cuts):
        net = new_net(channels=8)
        y = net.shuffle(net.join(*(net.conv(net.image, 2) for _ in range(6))), 2)
        bounds = np.linspace(0, 12, cuts + 1).astype(int).tolist()
        return net.model(*(net.conv(net.cut(y, a, b), 2) for a, b in pairwise(bounds)))

    assert applied(network(2), fold_shuffles) == [1]
    unchanged(network(12), fold_shuffles)
