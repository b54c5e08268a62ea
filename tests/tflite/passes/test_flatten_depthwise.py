"""A depthwise convolution over a whole image becomes one in groups; no other does."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import dumps
from seesaw_keras.tflite.passes import flatten_depthwise
from seesaw_keras.tflite.runtimes import open_runtime


@pytest.mark.parametrize("channels", [2, 5, 12, 16, 64, 34])
@pytest.mark.parametrize("size", [6, 7])
def test_whole_image(size, channels, new_net, applied, codes):
    net = new_net(channels=channels, size=size)
    y = net.depthwise(net.image, size, "VALID")
    net.operators[-1].options["fused_activation_function"] = "RELU"
    model = net.model(net.conv(y, 4))
    assert applied(model, flatten_depthwise) == [1]
    assert codes(model)[:4] == ["RESHAPE", "TRANSPOSE", "RESHAPE", "CONV_2D"]
    assert "DEPTHWISE_CONV_2D" not in codes(model)
    assert model.main.operators[3].inputs[1].shape == (channels, 1, 1, size * size)


def test_other_runtimes_know_groups(new_net):
    net = new_net(channels=10, size=7)
    model = net.model(net.depthwise(net.image, 7, "VALID"))
    image = np.random.RandomState(0).randint(-128, 128, net.image.shape).astype(np.int8)
    (before,) = open_runtime("reference", model).invoke(image)
    assert flatten_depthwise(model.main) == 1
    (xnnpack,) = open_runtime("xnnpack", model).invoke(image)
    assert np.abs(before.astype(int) - xnnpack).max() <= 1
    pytest.importorskip("tflite_micro")
    (micro,) = open_runtime("tflm", dumps(model)).invoke(image)
    np.testing.assert_array_equal(micro, before)


def test_smaller_kernels_larger_images_and_floats_stay(new_net, unchanged):
    for size, kernel, padding in ((5, 5, "VALID"), (8, 7, "VALID"), (7, 7, "SAME")):
        net = new_net(channels=4, size=size)
        unchanged(net.model(net.depthwise(net.image, kernel, padding)), flatten_depthwise)
    net = new_net(channels=4, size=7, type="FLOAT32")
    unchanged(net.model(net.depthwise(net.image, 7, "VALID")), flatten_depthwise)
    net = new_net(channels=17, size=7)  # which no block divides
    unchanged(net.model(net.depthwise(net.image, 7, "VALID")), flatten_depthwise)
