"""What TFLite Micro is computed to need is what it needs."""

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.passes import fold_shuffles, split_streams
from seesaw_keras.tflite.passes.tiling.memory import (
    aligned,
    buffers,
    peak_live_bytes,
    persistent_bytes,
    place,
    planned_bytes,
)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["shuffle", "shuffle_hard", "share", "dw_v2", "mobilefacenet"])
@pytest.mark.parametrize("passes", [(), (fold_shuffles, split_streams)])
def test_as_tflite_micro_plans(variant, passes, converted):
    pytest.importorskip("tflite_micro")
    from seesaw_keras.tflite.runtimes import TFLiteMicro

    model = flatbuffer.loads(converted(variant))
    for change in passes:
        change(model.main)
    arena = TFLiteMicro(model).arena
    assert planned_bytes(model.main) == arena.planned
    assert persistent_bytes(model.main) == pytest.approx(arena.persistent, rel=0.03)


def test_top_down_buffers_come_below_the_ceiling(new_net):
    net = new_net(channels=4)  # 64 bytes
    x = net.unary("RELU", net.image)
    needed = buffers(net.model(net.binary("ADD", x, net.image)).main)
    assert peak_live_bytes(needed) == 3 * 64
    assert place(needed, range(3)) == [0, 64, 128]
    assert place(needed, range(3), 256, {0, 2}) == [192, 0, 128]
    assert place(needed, range(3), 100, {0, 1, 2}) == [36, 100, 164]  # buffers that do not fit are placed above
    assert aligned(17) == 32
