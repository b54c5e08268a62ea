"""The order found is as good as the best of all."""

from itertools import permutations

import pytest

from seesaw_keras.tflite.analysis.costs import activation_peak
from seesaw_keras.tflite.flatbuffer import Subgraph
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators


def best_peak(graph):
    """The smallest peak of all orders in which operators come after those whose outputs they take."""
    made = graph.producers()

    def is_possible(operators):
        places = {operator: index for index, operator in enumerate(operators)}
        return all(places[made[t]] < places[o] for o in operators for t in o.inputs if t in made)

    orders = (o for o in permutations(graph.operators) if is_possible(o))
    return min(activation_peak(Subgraph(graph.tensors, graph.inputs, graph.outputs, list(o))) for o in orders)


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_peak_of_all(seed, new_net, applied):
    net = new_net(seed=seed, channels=4)
    values = [net.image]
    for _ in range(7):
        x, y = (values[net.r.randint(len(values))] for _ in range(2))
        values.append(net.join(x, y) if net.r.randint(3) == 0 else net.conv(x, int(net.r.choice([1, 4, 16]))))
    taken = {t for o in net.operators for t in o.inputs}
    model = net.model(*(t for t in values[1:] if t not in taken))
    expected = best_peak(model.main)
    applied(model, order_operators)
    assert activation_peak(model.main) == expected


def test_the_larger_branch_first(new_net, applied):
    net = new_net(channels=4)
    small = net.conv(net.image, 8)
    wide = net.conv(net.image, 64)
    large = net.conv(wide, 4)
    model = net.model(net.join(small, large))
    assert applied(model, order_operators) == [3]
    assert activation_peak(model.main) == net.image.nbytes + wide.nbytes + large.nbytes
    assert order_operators(model.main) == 0
