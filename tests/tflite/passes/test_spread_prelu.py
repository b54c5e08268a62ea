"""A PReLU becomes three operators that compute the same of every integer, or stays."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Quantization
from seesaw_keras.tflite.passes import spread_prelu


def prelu(net, slopes, given=None, made=None, zero_point=0):
    """A PReLU of the image with slopes in hundredths."""
    net.image.quantization = given or Quantization(0.05, 3)
    net.prelu(net.image)
    operator = net.operators[-1]
    operator.inputs[1].data = np.array(slopes, np.int8).reshape(operator.inputs[1].shape)
    operator.inputs[1].quantization = Quantization(0.01, zero_point)
    operator.outputs[0].quantization = made or Quantization(0.03, -50)
    return net.model(operator.outputs[0])


@pytest.mark.parametrize("seed", range(4))
def test_slopes_below_one(seed, new_net, applied, codes):
    net = new_net(channels=8, size=16)
    r = np.random.RandomState(seed)
    given = Quantization(r.uniform(0.01, 0.2), r.randint(-128, 128))
    made = Quantization(r.uniform(0.5, 2) * given.scale, r.randint(-128, 128))
    zero_point = r.randint(-20, 20)
    slopes = np.array([99, 0, -5, *r.randint(-100, 99, 5)]) + zero_point
    model = prelu(net, slopes, given, made, zero_point)
    assert applied(model, spread_prelu) == [1]
    assert codes(model) == ["QUANTIZE", "DEPTHWISE_CONV_2D", "MAXIMUM"]


def test_steeper_slopes_stay(new_net, unchanged):
    unchanged(prelu(new_net(channels=4), [25, 101, 3, 4]), spread_prelu)


def test_slopes_that_are_no_weights_stay(new_net, unchanged):
    unchanged(prelu(new_net(channels=4), [-128, 25, 3, 4]), spread_prelu)
    unchanged(prelu(new_net(channels=4), [-100, 25, 3, 4], zero_point=40), spread_prelu)
    net = new_net(channels=4)
    shared = net.add_operator("PRELU", [net.image, net.constant((1, 1, 1))], net.value(net.image.shape), 1)
    unchanged(net.model(shared), spread_prelu)


def test_single_pixels_and_floats_stay(new_net, unchanged):
    unchanged(prelu(new_net(channels=4, size=1), [1, 2, 3, 4]), spread_prelu)
    net = new_net(channels=4, type="FLOAT32")
    unchanged(net.model(net.prelu(net.image)), spread_prelu)
