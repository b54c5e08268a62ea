"""A pair becomes one convolution with the same integers, or stays as it is."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Quantization
from seesaw_keras.tflite.passes import merge_pairs


@pytest.mark.parametrize("kernel", [1, 3])
def test_pair_becomes_one(kernel, new_net, applied, codes):
    net = new_net(channels=8)
    x = net.conv(net.image, 8)
    parts = [net.conv(net.cut(x, begin, end), count, kernel, "RELU6") for begin, end, count in ((5, 8, 4), (0, 5, 3))]
    joined = net.join(*parts)
    weights = [net.operators[n].inputs[1].data for n in (2, 4)]
    model = net.model(net.swish(joined))
    assert applied(model, merge_pairs) == [1]
    assert codes(model) == ["CONV_2D", "CONV_2D", "LOGISTIC", "MUL"]
    merged = model.main.operators[1]
    assert merged.outputs == [joined]
    dense = merged.inputs[1].data
    np.testing.assert_array_equal(dense[:4, ..., 5:], weights[0])
    np.testing.assert_array_equal(dense[4:, ..., :5], weights[1])
    assert not dense[:4, ..., :5].any() and not dense[4:, ..., 5:].any()


def test_parts_of_a_split_and_of_the_whole(new_net, applied, codes):
    net = new_net(channels=8)
    x = net.conv(net.image, 8)
    first, _, last = net.split(x, 2, 3, 3)
    model = net.model(net.join(net.conv(x, 2), net.conv(last, 4), net.conv(first, 2)))
    assert applied(model, merge_pairs) == [1]
    assert codes(model) == ["CONV_2D", "CONV_2D"]


def test_one_scale_for_all_filters(new_net, applied):
    net = new_net(channels=8)
    model = net.model(net.pair(net.image, 8))
    for operator in model.main.operators:
        if operator.code == "CONV_2D":
            given, weights, bias = operator.inputs
            weights.quantization = Quantization(0.01)
            bias.quantization = Quantization(0.01 * given.quantization.scale)
    assert applied(model, merge_pairs) == [1]


def test_a_slice_that_others_read_stays(new_net, applied, codes):
    net = new_net(channels=8)
    narrow = net.cut(net.image, 0, 4)
    joined = net.join(net.conv(narrow, 4), net.conv(net.cut(net.image, 4, 8), 4))
    model = net.model(joined, net.unary("RELU", narrow))
    assert applied(model, merge_pairs) == [1]
    assert sorted(codes(model)) == ["CONV_2D", "RELU", "STRIDED_SLICE"]


def test_does_not_pay_with_many_channels(new_net, unchanged, applied):
    # Merged, 3/8 of all weights are zero; per pixel, 16 + 64 bytes of slices and 64 of output are not copied.
    net = new_net(channels=64, size=2)
    assert applied(net.model(net.pair(net.image, 64)), merge_pairs) == [1]  # 1536 multiply-adds for 128 bytes
    net = new_net(channels=128, size=2)
    unchanged(net.model(net.pair(net.image, 128)), merge_pairs)  # 6144 for 256


def test_stays_where_the_parts_are_no_one_convolution(new_net, unchanged):
    def pair(change=lambda net, convolutions: None, **second):
        net = new_net(channels=8)
        parts = [net.conv(net.cut(net.image, 0, 4), 4), net.conv(net.cut(net.image, 4, 8), 4, **second)]
        change(net, [operator for operator in net.operators if operator.code == "CONV_2D"])
        return net.model(net.join(*parts))

    def in_groups(net, convolutions):
        convolutions[0].inputs[1] = net.constant((4, 1, 1, 2))

    def seen(net, convolutions):
        net.unary("RELU", convolutions[0].outputs[0])

    def another_scale(net, convolutions):
        convolutions[0].outputs[0].quantization = net.value((), scale=0.2).quantization

    def another_zero_point_of_weights(net, convolutions):
        convolutions[0].inputs[1].quantization.zero_points[:] = 1

    def another_input(net, convolutions):
        convolutions[0].inputs[0] = net.conv(net.image, 4)
        net.operators.insert(0, net.operators.pop())

    for change in (in_groups, seen, another_scale, another_zero_point_of_weights, another_input):
        unchanged(pair(change), merge_pairs)
    for second in ({"activation": "RELU"}, {"kernel": 3}, {"bias": False}):
        unchanged(pair(**second), merge_pairs)


def test_float_pairs_stay(new_net, unchanged):
    net = new_net(channels=8, type="FLOAT32")
    unchanged(net.model(net.pair(net.image, 8)), merge_pairs)
