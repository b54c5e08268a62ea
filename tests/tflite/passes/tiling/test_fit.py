"""Whole networks in less memory: the same integers, in every runtime."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.passes import fit, fold_shuffles, rewrite, split_streams
from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.tiling.operator_order import order_operators
from seesaw_keras.tflite.passes.tiling.tiles import tile
from seesaw_keras.tflite.passes.tiling.units import channel_units, strip_units
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

VARIANTS = ["share", "shuffle", "phone", "shuffle_hard", "dw_v1", "dw_v2", "mobilefacenet"]
RUNTIMES = [name for name in ("reference", "numpy", "tflm") if name in available_runtimes()]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_integers_in_parts(variant, converted, faces):
    noise = np.random.RandomState(0).randint(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    inputs = (np.concatenate([faces[:2], noise]).astype(np.int16) - 128).astype(np.int8)
    plain, tiled = (flatbuffer.loads(converted(variant)) for _ in range(2))
    fold_shuffles(tiled.main)
    split_streams(tiled.main)
    # All that can be tiled is, far beyond what a plan would ask for: here for the integers, not for less memory.
    channels = channel_units(GraphIndex(tiled.main))
    strips = strip_units(GraphIndex(tiled.main), channels)
    layout = {}
    for unit in [*reversed(channels), *strips[-1:]]:
        layout |= unit.layouts[len(unit.layouts) // 2]
    assert len(channels) >= 6 and strips and tile(tiled.main, layout)
    order_operators(tiled.main)
    for name in RUNTIMES:
        before, after = (open_runtime(name, model) for model in (plain, tiled))
        np.testing.assert_array_equal(after.run(inputs), before.run(inputs))


@pytest.mark.slow
def test_no_more_than_the_arena_takes(converted):
    def sizes(arena):
        model = flatbuffer.loads(converted("shuffle_hard"))
        rewrite(model, "tflm", arena=arena)
        return len(model.main.operators), model

    (few, roomy), (many, tight) = sizes(1 << 20), sizes(None)
    assert few < many
    if "tflm" in RUNTIMES:
        least, most = (open_runtime("tflm", model).arena for model in (tight, roomy))
        assert least.planned < most.planned
        wanted = (least.planned + least.persistent + most.planned + most.persistent) // 2
        arena = open_runtime("tflm", sizes(wanted)[1]).arena
        assert arena.planned + arena.persistent <= wanted


def test_what_cannot_be_reached_is_said_and_nothing_changed(converted):
    model = flatbuffer.loads(converted("shuffle_hard"))
    before = flatbuffer.dumps(model)
    with pytest.raises(
        ValueError,
        match=r"does not fit into an arena of 1,024 bytes: the smallest plan takes [\d,]+ bytes, [\d,]+ planned",
    ):
        fit(model, 1 << 10)
    assert flatbuffer.dumps(model) == before
