"""A stream of blocks is kept in parts where that saves copies."""

import pytest

from seesaw_keras.tflite.passes import split_streams


@pytest.mark.parametrize("type", ["INT8", "FLOAT32"])
def test_stream_of_blocks(type, new_net, applied, codes):
    net = new_net(channels=8, type=type)
    x = net.pair(net.image, 8)
    for _ in range(3):
        x = net.block(x, 8)
    model = net.model(net.conv(x, 5))
    before = codes(model)
    assert applied(model, split_streams) == [1]
    after = codes(model)
    assert after.count("ADD") == 2 * before.count("ADD") == 6
    # Two slices for each block's projections, and two of the image; one concatenation for each block's expansions, and
    # one for the last convolution, which reads the stream whole.
    assert (before.count("STRIDED_SLICE"), after.count("STRIDED_SLICE")) == (2 + 3 * 4, 2 + 3 * 2)
    assert (before.count("CONCATENATION"), after.count("CONCATENATION")) == (1 + 3 * 2, 3 + 1)
    assert len({tensor.name for tensor in model.main.producers()}) == len(model.main.producers())


def test_what_is_seen_keeps_its_name(new_net, applied):
    net = new_net(channels=8)
    streams = [net.pair(net.image, 8)]
    for _ in range(3):
        streams.append(net.block(streams[-1], 8))
    model = net.model(net.pair(streams[-1], 8), streams[2])  # `applied` compares by name
    assert applied(model, split_streams) == [1]


def test_sources_of_other_kinds_are_sliced_once(new_net, applied, codes):
    net = new_net(channels=8)
    x = net.swish(net.conv(net.image, 8))
    for _ in range(3):
        x = net.block(x, 8)
    model = net.model(net.pair(x, 8))
    assert applied(model, split_streams) == [1]
    assert codes(model).count("STRIDED_SLICE") == 3 * 2 + 2


def test_slices_of_several_parts(new_net, applied, codes):
    net = new_net(channels=8)

    def joined(x):
        return net.join(*(net.conv(net.cut(x, begin, end), end - begin) for begin, end in ((0, 2), (2, 5), (5, 8))))

    x = joined(net.image)
    for _ in range(4):
        x = net.binary("ADD", x, joined(x))
    model = net.model(net.conv(net.cut(x, 2, 8), 3), net.conv(net.cut(x, 0, 2), 3))
    assert applied(model, split_streams) == [1]
    assert codes(model).count("CONCATENATION") == 1


def test_parts_of_a_split(new_net, applied, codes):
    net = new_net(channels=8)
    x = net.pair(net.image, 8)
    for _ in range(2):
        narrow, wide = net.split(x, 2, 6)
        x = net.binary("ADD", x, net.join(net.conv(narrow, 2), net.conv(wide, 6)))
    model = net.model(*(net.conv(part, 3) for part in net.split(x, 2, 6)))
    assert applied(model, split_streams) == [1]
    assert not {"CONCATENATION", "SPLIT_V"} & set(codes(model))


def test_stays_where_nothing_is_saved(new_net, unchanged):
    net = new_net(channels=8)
    x = net.conv(net.image, 8)
    for _ in range(2):
        x = net.binary("ADD", x, net.conv(net.swish(net.pair(x, 8)), 8))  # every addend would have to be sliced
    unchanged(net.model(net.conv(x, 3)), split_streams)
    net = new_net(channels=8)
    x = net.join(net.conv(net.image, 6), net.conv(net.image, 2))
    for _ in range(2):
        y = net.cut(x, 0, 2), net.cut(x, 2, 8)  # the bounds cut what was joined, as in share
        x = net.binary("ADD", x, net.join(net.conv(y[1], 6), net.conv(y[0], 2)))
    unchanged(net.model(net.conv(x, 3)), split_streams)
    net = new_net(channels=8)
    x = net.pair(net.image, 8)
    for _ in range(2):
        x = net.binary("ADD", x, net.pair(net.conv(x, 8), 8))  # no consumer slices it
    unchanged(net.model(x), split_streams)
