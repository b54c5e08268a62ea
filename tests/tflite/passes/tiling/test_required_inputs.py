"""Required inputs of a part: exactly the rows and channels it depends on."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Operator
from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.tiling.boxes import Box, whole
from seesaw_keras.tflite.passes.tiling.required_inputs import required_inputs
from seesaw_keras.tflite.reference import Interpreter


def required_for(net, box):
    return required_inputs(GraphIndex(net.model().main), net.operators[-1], box)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_windows_read_the_rows_that_their_output_depends_on(kernel, stride, padding, new_net):
    size = 11
    net = new_net(size=size, channels=1)
    made = net.depthwise(net.image, kernel, padding, stride)
    net.operators[-1].inputs[1].data = np.full((1, kernel, kernel, 1), 100, np.int8)
    made.quantization.scales[:] = 20.0
    net.image.quantization.scales[:] = 1.0
    interpreter = Interpreter(net.model())
    inputs = np.zeros((size + 1, *net.image.shape), np.int8)
    for row in range(size):
        inputs[row, :, row] = 127
    outputs = interpreter.run(inputs)[0][:, 0]
    touched = (outputs[:-1] != outputs[-1:]).any((2, 3))  # by an input row, an output row
    for top in range(made.shape[1]):
        for bottom in range(top + 1, made.shape[1] + 1):
            required = required_for(net, Box(top, bottom, 0, 1))
            rows = np.flatnonzero(touched[:, top:bottom].any(1))
            if (top, bottom) == (0, made.shape[1]):
                assert required.inputs[0] == whole(net.image) and not any(required.zero_padding)
                continue
            if stride <= kernel:  # otherwise rows between windows are not read
                assert (required.inputs[0].top, required.inputs[0].bottom) == (rows[0], rows[-1] + 1)
            above, below, _, _ = required.zero_padding
            assert (
                above + below + required.inputs[0].bottom - required.inputs[0].top
                == (bottom - top - 1) * stride + kernel
            )


def test_channels(new_net):
    net = new_net(channels=8)
    box = Box(1, 3, 2, 5)
    net.conv(net.image, 8)
    assert (required_for(net, box).inputs[0], required_for(net, box).constants) == (Box(1, 3, 0, 8), {1: 0, 2: 0})
    net.unary("HARD_SWISH", net.image, 1)
    assert required_for(net, box).inputs == [box]
    net.prelu(net.image)
    assert (required_for(net, box).inputs, required_for(net, box).constants) == ([box, None], {1: 2})
    net.binary("MUL", net.image, net.value((1, 1, 1, 8)))
    assert required_for(net, box).inputs == [box, Box(0, 1, 2, 5)]
    net.mean(net.image)
    assert required_for(net, Box(0, 1, 2, 5)).inputs[0] == Box(0, 4, 2, 5)
    net.pad(net.image)
    assert (required_for(net, box).inputs[0], required_for(net, box).zero_padding) == (Box(0, 2, 2, 5), (0, 0, 1, 1))
    assert required_for(net, Box(0, 6, 2, 5)).zero_padding == (1, 1, 1, 1)


def test_what_can_only_be_computed_as_a_whole(new_net):
    net = new_net(channels=8)
    box = Box(1, 3, 2, 5)
    for make in (
        lambda: net.conv(net.image, 8, groups=2),
        lambda: net.reshape(net.image, net.image.shape),
        lambda: net.binary("ADD", net.image, net.constant((1, 4, 1, 8))),  # another summand in each row
        lambda: net.add_operator("PRELU", [net.image, net.constant((4, 1, 8))], net.value(net.image.shape), 1),
        lambda: net.binary("MUL", net.image, net.value((1, 4, 4, 1))),
        lambda: net.add_operator("MEAN", [net.image, net.numbers(2)], net.value((1, 4, 1, 8)), keep_dims=True),
        lambda: net.add_operator("SOFTMAX", [net.image], net.value(net.image.shape)),
        lambda: net.mean(net.conv(net.image, 8)).shape and net.dense(net.mean(net.image), 5),
    ):
        make()
        assert required_for(net, box) is None
    pool = {"stride_h": 1, "stride_w": 1, "filter_height": 3, "filter_width": 3, "padding": "SAME"}
    net.operators.append(Operator("AVERAGE_POOL_2D", [net.image], [net.value(net.image.shape)], pool))
    assert required_for(net, Box(0, 2, 0, 8)) is None  # the mean at the edge is of fewer pixels
