"""What can be tiled is found, and nothing else."""

from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.tiling.boxes import Cuts
from seesaw_keras.tflite.passes.tiling.tiles import STREAMED
from seesaw_keras.tflite.passes.tiling.units import channel_units, strip_units


def found(net, *outputs):
    graph_index = GraphIndex(net.model(*outputs).main)
    channels = channel_units(graph_index)
    return channels, strip_units(graph_index, channels)


def test_channels_from_their_convolutions_to_their_slices(new_net):
    net = new_net(channels=8)
    narrow, wide = net.conv(net.image, 8), net.conv(net.image, 24)
    joined = net.join(narrow, wide)
    active = net.unary("HARD_SWISH", joined, 1)
    mean = net.mean(active)
    made = net.pair(active, 8)
    ((unit,), strips) = found(net, made, mean)
    assert {narrow, wide, joined, active, mean} < unit.tensors
    assert strips == []
    layouts = [tuple((t.name, v) for t, v in layout.items()) for layout in unit.layouts]
    assert len(set(layouts)) == len(layouts)
    for layout in unit.layouts:
        assert layout[narrow] == layout[wide] == STREAMED
        assert layout[joined] == layout[active] == layout[mean]
        assert min(layout[joined].channels) > 0 and max(layout[joined].channels) < 32
    cuts = {layout[joined].channels for layout in unit.layouts}
    assert {(8,), (16,), (8, 16, 24)} <= cuts


def test_strips_from_the_image_to_where_it_is_smaller(new_net):
    net = new_net(size=16, channels=3)
    stem = net.conv(net.pad(net.image), 8, 3, padding="VALID", stride=2)
    inner = net.unary("HARD_SWISH", net.conv(stem, 8), 1)
    end = net.depthwise(inner, stride=2)
    excited = net.squeeze_excite(end)
    _, (unit,) = found(net, net.depthwise(excited, stride=2))
    assert {stem, inner, end} <= unit.tensors and excited not in unit.tensors
    for layout in unit.layouts:
        assert layout[stem] == layout[inner] == STREAMED
        assert isinstance(layout[end], Cuts) and layout[end].rows
    assert {len(layout[end].rows) for layout in unit.layouts} == {1, 2, 3}  # of four rows


def test_no_strips_behind_a_look_at_the_whole_image(new_net):
    net = new_net(size=8, channels=4)
    x = net.squeeze_excite(net.conv(net.image, 8))
    assert found(net, net.depthwise(x, stride=2))[1] == []
