"""Whatever the graph and whatever its parts: no output integer changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.tiling.boxes import Cuts, is_image
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.tiles import STREAMED, tile


def drawn_graph(draw, new_net):
    """A network of everything that is tiled, and of some that is not."""
    net = new_net(
        seed=draw(st.integers(0, 1 << 16)), size=draw(st.integers(5, 9)), channels=draw(st.sampled_from([3, 8]))
    )
    x = net.image
    seen = []
    for _ in range(draw(st.integers(2, 7))):
        stride, kernel = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 2, 3]))
        padding = "SAME" if x.shape[1] < kernel else draw(st.sampled_from(["SAME", "VALID"]))
        channels = x.shape[3]
        steps = [
            lambda: net.conv(x, draw(st.sampled_from([4, 8, 12])), kernel, "RELU", True, padding, 1, stride),  # noqa: B023
            lambda: net.depthwise(x, kernel, padding, stride),  # noqa: B023
            lambda: net.unary("HARD_SWISH", x, 1),  # noqa: B023
            lambda: net.swish(x),  # noqa: B023
            lambda: net.prelu(x),  # noqa: B023
            lambda: net.pad(x),  # noqa: B023
            lambda: net.squeeze_excite(x),  # noqa: B023
            lambda: net.join(*(net.conv(x, filters) for filters in (4, 8))),  # noqa: B023
            lambda: net.binary("ADD", x, net.conv(x, channels)),  # noqa: B023
            lambda: net.pair(x, 8) if channels >= 4 else x,  # noqa: B023
            lambda: net.join(*net.split(x, 1, channels - 1)[::-1]) if channels > 1 else x,  # noqa: B023
            lambda: net.shuffle(x, 2) if channels % 2 == 0 and x.shape[1] == x.shape[2] else x,  # noqa: B023
            lambda: net.cut(x, 0, max(1, channels // 2), rows=max(1, x.shape[1] - 1)),  # noqa: B023
        ]
        x = draw(st.sampled_from(steps))()
        if draw(st.integers(0, 9)) == 0:
            seen.append(x)
    ends = [x, net.mean(x), net.conv(x, 4)]
    return net.model(*dict.fromkeys([*seen, draw(st.sampled_from(ends))]))


def drawn_layout(draw, graph):
    """Any cuts of any tensors: strips, groups of channels, both, or computed anew for each part."""
    layout = {}
    for tensor in (t for o in graph.operators for t in o.outputs if is_image(t)):
        kind = draw(st.integers(0, 5))
        if kind < 3:
            layout[tensor] = Cuts(*(cuts(draw, tensor.shape[axis], kind != axis // 2) for axis in (1, 3)))
        elif kind == 3:
            layout[tensor] = STREAMED
    return layout


def cuts(draw, size, wanted):
    if size < 2 or not wanted:
        return ()
    return tuple(sorted(draw(st.sets(st.integers(1, size - 1), max_size=4))))


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data())
def test_outputs_stay_the_same(new_net, applied, data):
    model = drawn_graph(data.draw, new_net)
    layout = drawn_layout(data.draw, model.main)
    applied(model, lambda graph: tile(graph, layout), order_operators)
    assert all(len(o.inputs) <= 10 for o in model.main.operators if o.code == "CONCATENATION")


def test_strips_overlap_by_their_halo(new_net, applied, codes):
    net = new_net(size=8, channels=4)
    stem = net.conv(net.image, 8, 3)
    end = net.depthwise(stem)
    model = net.model(net.conv(end, 4))
    applied(model, lambda graph: len(tile(graph, {stem: STREAMED, end: Cuts((4,))})))
    made = model.main.producers()
    heights = [t.shape[1] for t in made if t.name.startswith(stem.name) and made[t].code == "CONV_2D"]
    assert heights == [5, 5]  # of 8 rows, a row of each is the other's halo
    assert codes(model) == ["SLICE", "PAD", "CONV_2D", "PAD", "DEPTHWISE_CONV_2D"] * 2 + ["CONCATENATION", "CONV_2D"]


def test_groups_of_channels_need_no_slices(new_net, applied, codes):
    net = new_net(size=4, channels=8)
    x = net.unary("HARD_SWISH", net.conv(net.image, 8), 1)
    y = net.depthwise(x)
    model = net.model(net.pair(y, 8, cut=2))
    groups = dict.fromkeys([t for o in net.operators[:3] for t in o.outputs], Cuts((), (2,)))
    applied(model, lambda graph: len(tile(graph, groups)))
    assert sorted(codes(model)) == ["CONCATENATION", *["CONV_2D"] * 4, *["DEPTHWISE_CONV_2D"] * 2, *["HARD_SWISH"] * 2]


def test_what_has_lasting_effects_stays(new_net, unchanged):
    net = new_net(channels=4)
    x = net.conv(net.image, 4)
    handle = Tensor("handle", (), "RESOURCE")
    net.operators.append(Operator("VAR_HANDLE", [], [handle], {"shared_name": "state"}))
    net.operators.append(Operator("ASSIGN_VARIABLE", [handle, x], []))
    unchanged(net.model(net.unary("RELU", x)), lambda graph: len(tile(graph, {x: Cuts((2,))})))
