"""Plans: each needs less memory than the one before, and what they promise is what comes of them."""

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.costs import activation_peak
from seesaw_keras.tflite.passes import fold_shuffles, split_streams
from seesaw_keras.tflite.passes.tiling.memory import persistent_bytes
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.plan import copied, find_plans
from seesaw_keras.tflite.passes.tiling.tiles import tile


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["shuffle_hard", "mobilefacenet"])
def test_less_lives_for_more_operators(variant, converted):
    graph = flatbuffer.loads(converted(variant)).main
    fold_shuffles(graph)
    split_streams(graph)
    operators = list(graph.operators)
    plans = find_plans(graph)
    assert graph.operators == operators
    assert (plans[0].live, plans[0].persistent, plans[0].layout) == (
        activation_peak(graph),
        persistent_bytes(graph),
        {},
    )
    assert [plan.live for plan in plans] == sorted({plan.live for plan in plans}, reverse=True)
    assert [plan.persistent for plan in plans] == sorted({plan.persistent for plan in plans})
    assert plans[-1].live < 0.6 * plans[0].live
    for plan in plans:
        made = copied(graph)
        tile(made, plan.layout)
        order_operators(made)
        assert activation_peak(made) <= 1.15 * plan.live
        assert persistent_bytes(made) == pytest.approx(plan.persistent, rel=0.05)


def test_a_graph_of_nothing_to_tile(new_net):
    net = new_net(size=1)
    (plan,) = find_plans(net.model(net.conv(net.image, 4)).main)
    assert plan.layout == {}
