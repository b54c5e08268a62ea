"""Which operators are taken for what."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.channels import channel_constants, channel_slices, columns, joined_parts, rows, sliced
from seesaw_keras.tflite.passes.graph_index import GraphIndex


def last(net):
    """The links of a net's graph and its last operator."""
    return GraphIndex(net.model().main), net.operators[-1]


def slice_of(net, code, numbers, shape, **options):
    inputs = [net.image, *(net.numbers(*entries) for entries in numbers)]
    net.add_operator(code, inputs, net.value(shape), **options)
    return channel_slices(*last(net))


def test_constants_with_an_entry_a_channel(new_net):
    net = new_net(channels=8)
    for make, constants in (
        (lambda: net.depthwise(net.image), {1: 3, 2: 0}),
        (lambda: net.prelu(net.image), {1: 2}),
        (lambda: net.binary("MUL", net.image, net.constant((8,))), {1: 0}),
        (lambda: net.binary("ADD", net.image, net.constant((1, 4, 1, 1))), {}),
        (lambda: net.pad(net.image), {}),
        (lambda: net.mean(net.image), {}),
        (lambda: net.unary("TANH", net.image), {}),
    ):
        make()
        assert channel_constants(*last(net)) == constants


def test_operators_that_do_not_keep_channels_apart(new_net):
    net = new_net(channels=8)
    for make in (
        lambda: net.conv(net.image, 8),
        lambda: net.reshape(net.image, (1, 16, 8)),
        lambda: net.binary("MUL", net.image, net.value((1, 4, 4, 1))),  # one channel for all
        lambda: net.add_operator("MEAN", [net.image, net.numbers(2, -1)], net.value((1, 4))),
        lambda: net.add_operator("PAD", [net.image, net.numbers(*[[0, 0]] * 3, [0, 1])], net.value((1, 4, 4, 9))),
    ):
        make()
        assert channel_constants(*last(net)) is None


def test_slices_of_channels(new_net):
    def net():
        return new_net(channels=8)

    whole = [(0, 0, 0, 2), (1, 4, 4, 7), (1, 1, 1, 1)]
    assert [bounds for _, *bounds in slice_of(net(), "STRIDED_SLICE", whole, (1, 4, 4, 5))] == [[2, 7]]
    masked = [(9, 9, 9, -6), (9, 9, 9, -1), (1, 1, 1, 1)]
    masks = {"begin_mask": 7, "end_mask": 7}
    assert [bounds for _, *bounds in slice_of(net(), "STRIDED_SLICE", masked, (1, 4, 4, 5), **masks)] == [[2, 7]]
    assert [bounds for _, *bounds in slice_of(net(), "SLICE", [(0, 0, 0, 2), (1, 4, -1, 5)], (1, 4, 4, 5))] == [[2, 7]]
    for numbers, shape, options in (
        ([(0, 0, 0, 2), (1, 4, 4, 7), (1, 1, 1, 2)], (1, 4, 4, 3), {}),  # every second one
        ([(0, 0, 0, 2), (1, 4, 4, 7), (1, 1, 1, 1)], (4, 4, 5), {"shrink_axis_mask": 1}),
        ([(0, 1, 0, 2), (1, 4, 4, 7), (1, 1, 1, 1)], (1, 3, 4, 5), {}),  # less than all rows
    ):
        assert slice_of(net(), "STRIDED_SLICE", numbers, shape, **options) is None


def test_splits_of_channels(new_net):
    net = new_net(channels=8)
    parts = net.split(net.image, 3, 5)
    assert channel_slices(*last(net)) == [(parts[0], 0, 3), (parts[1], 3, 8)]
    assert sliced(net.operators[-1]) is net.image
    halves = [net.value((1, 4, 4, 4), name) for name in "ab"]
    axis = Tensor.constant("axis", np.int32(-1))
    net.operators.append(Operator("SPLIT", [axis, net.image], halves, {"num_splits": 2}))
    assert channel_slices(*last(net)) == [(halves[0], 0, 4), (halves[1], 4, 8)]
    assert sliced(net.operators[-1]) is net.image
    axis.data = np.array(1, np.int32)  # rows
    assert channel_slices(*last(net)) is None


def test_concatenations_of_channels(new_net):
    net = new_net(channels=8)
    made = net.join(net.image, net.image)
    assert joined_parts(net.operators[-1]) == [net.image, net.image]
    for axis, parts in ((-1, [net.image] * 2), (1, None)):
        net.operators[-1].options["axis"] = axis
        assert joined_parts(net.operators[-1]) == parts
    net.unary("RELU", made)
    assert joined_parts(net.operators[-1]) is None


@pytest.mark.parametrize("dense", [True, False])
def test_weights_that_an_order_goes_into(dense, new_net):
    net = new_net(channels=8)
    order = np.arange(6)[::-1]
    (net.dense if dense else net.conv)(net.mean(net.image), 6)
    graph_index, operator = last(net)
    assert [edit[:3] for edit in rows(graph_index, operator, order)] == [(operator, 1, 0), (operator, 2, 0)]
    assert [edit[:3] for edit in columns(graph_index, operator, order)] == [(operator, 1, 1 if dense else 3)]
    operator.inputs[1].data = None  # computed weights
    assert rows(graph_index, operator, order) is columns(graph_index, operator, order) is None
