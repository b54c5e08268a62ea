"""The ways to change a graph."""

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build
from seesaw_keras.tflite.passes.graph_index import GraphIndex, redirect, remove_dead_ops, substitute, take


def chain(net):
    """Three operators: a convolution, an activation, and one that takes both."""
    x = net.conv(net.image, 4)
    return x, net.unary("RELU", x), net.binary("ADD", x, net.operators[-1].outputs[0])


def test_links(new_net):
    net = new_net(channels=4)
    x, y, z = chain(net)
    graph_index = GraphIndex(net.model(z).main)
    assert [graph_index.is_open(tensor) for tensor in (net.image, x, y, z)] == [True, False, False, True]
    assert graph_index.only_user(x) is None and graph_index.only_user(y) is net.operators[2]
    assert GraphIndex(net.model(y, z).main).only_user(y) is None
    assert graph_index.constant(net.operators[0], 1) is net.operators[0].inputs[1]
    assert graph_index.constant(net.operators[1], 0) is graph_index.constant(net.operators[1], 5) is None


def test_substitute_redirect_sweep(new_net, outputs):
    net = new_net(channels=4)
    x, y, z = chain(net)
    model = net.model(z)
    same = Tensor("same", x.shape, x.type, x.quantization)
    substitute(model.main, net.operators[1], [Operator("RELU", [x], [same], version=2), net.operators[1]])
    before = outputs(model)
    redirect(model.main, y, same)
    remove_dead_ops(model.main)
    assert y not in model.main.tensors and same in model.main.tensors
    assert [operator.outputs[0] for operator in model.main.operators] == [x, same, z]
    np.testing.assert_array_equal(outputs(model)[z.name], before[z.name])


def test_take_moves_scales_along_with_their_entries(new_net):
    net = new_net(channels=4)
    net.conv(net.image, 3)
    (first,) = net.operators
    second = Operator("CONV_2D", list(first.inputs), [net.value((1, 4, 4, 3), "other")], dict(first.options), 3)
    model = build(first, second)
    weights = first.inputs[1]
    order = np.array([2, 0, 1])
    take(model.main, first, 1, 0, order)
    np.testing.assert_array_equal(first.inputs[1].data, weights.data[order])
    np.testing.assert_array_equal(first.inputs[1].quantization.scales, weights.quantization.scales[order])
    take(model.main, first, 1, 3, np.array([3, 1]))
    np.testing.assert_array_equal(first.inputs[1].data, weights.data[order][..., [3, 1]])
    np.testing.assert_array_equal(first.inputs[1].quantization.scales, weights.quantization.scales[order])
    assert second.inputs[1] is weights  # who shared them keeps them


def test_one_scale_stays_one(new_net):
    net = new_net(channels=4)
    net.conv(net.image, 3)
    (operator,) = net.operators
    operator.inputs[1].quantization = Quantization(0.25)
    take(net.model().main, operator, 1, 0, np.array([1]))
    assert operator.inputs[1].shape == (1, 1, 1, 4) and operator.inputs[1].quantization.scale == 0.25
