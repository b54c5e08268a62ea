"""Offsets of live tensors do not overlap, and TFLite Micro uses them."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.passes.tiling.memory import Buffer, buffers, height, peak_live_bytes, planned_bytes
from seesaw_keras.tflite.passes.tiling.offsets import find_offsets, store_offsets
from seesaw_keras.tflite.runtimes import OFFSETS


def drawn_buffers(seed):
    r = np.random.RandomState(seed)
    first_use = r.randint(0, 20, 30)
    last_use = first_use + r.randint(0, 6, 30)
    return [Buffer(None, 16 * int(r.randint(1, 20)), int(b), int(d)) for b, d in zip(first_use, last_use, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_what_lives_at_once_is_apart(seed):
    needed = drawn_buffers(seed)
    found = find_offsets(needed)
    for n, (one, at) in enumerate(zip(needed, found, strict=True)):
        assert at >= 0 and at % 16 == 0
        for other, there in zip(needed[:n], found[:n], strict=True):
            at_once = one.first_use <= other.last_use and other.first_use <= one.last_use
            assert not at_once or at + one.size <= there or there + other.size <= at
    assert peak_live_bytes(needed) <= height(needed, found) <= 1.1 * peak_live_bytes(needed)


def gaps(new_net):
    """A graph of which TFLite Micro's plan, the largest first, has gaps."""
    net = new_net(size=4, channels=4)
    x = net.image
    for filters in (12, 20, 8, 24, 16, 4):
        x = net.join(net.conv(x, filters), x)
    return net.model(x)


def test_tflite_micro_follows(new_net, outputs):
    micro = (
        pytest.importorskip("tflite_micro")
        and __import__("seesaw_keras.tflite.runtimes", fromlist=["TFLiteMicro"]).TFLiteMicro
    )
    for seed in range(20):
        net = new_net(seed=seed, size=4, channels=4)
        values = [net.image]
        for _ in range(12):
            values.append(net.conv(values[-1 - net.r.randint(min(3, len(values)))], int(net.r.choice([2, 6, 12, 20]))))
        model = net.model(net.join(*values[-3:]))
        usual, planned = planned_bytes(model.main), store_offsets(model)
        assert planned <= usual
        if planned < usual:
            break
    assert planned < usual
    image = np.random.RandomState(0).randint(-128, 128, net.image.shape).astype(np.int8)
    runtime = micro(flatbuffer.dumps(model))
    assert runtime.arena.planned == planned
    (expected,) = outputs(model).values()
    np.testing.assert_array_equal(runtime.invoke(image)[0], expected)
    # Where every tensor is kept, none may be at its place.
    kept = runtime.tensors(image)
    np.testing.assert_array_equal(kept[model.main.tensors.index(model.main.outputs[0])], expected)
    assert OFFSETS in flatbuffer.loads(flatbuffer.dumps(model)).metadata


def test_no_offsets_where_they_gain_nothing(new_net):
    net = new_net()
    model = net.model(net.unary("RELU", net.image))
    assert store_offsets(model) == planned_bytes(model.main) == sum(b.size for b in buffers(model.main))
    assert model.metadata == {}
