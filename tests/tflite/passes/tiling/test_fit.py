"""Whole networks in less memory: the same integers, in every runtime."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.costs import cost_of
from seesaw_keras.tflite.passes import fit, rewrite
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

VARIANTS = ["share", "shuffle", "phone", "shuffle_hard", "dw_v1", "dw_v2", "mobilefacenet"]
RUNTIMES = [name for name in ("reference", "numpy", "micro") if name in available_runtimes()]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_integers_in_less_memory(variant, converted, faces):
    noise = np.random.RandomState(0).randint(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    inputs = (np.concatenate([faces[:4], noise]).astype(np.int16) - 128).astype(np.int8)
    plain, small = (flatbuffer.loads(converted(variant)) for _ in range(2))
    assert rewrite(small, "micro")["fit"] > 0
    for name in RUNTIMES:
        before, after = (open_runtime(name, model) for model in (plain, small))
        np.testing.assert_array_equal(after.run(inputs), before.run(inputs))
    # Quarter-width networks of 32x32 persist more than they plan; what is planned is at most half.
    assert cost_of(small).activation_peak <= 0.5 * cost_of(plain).activation_peak
    assert cost_of(small).madds <= 1.3 * cost_of(plain).madds  # halos of strips of one or two rows


def test_no_more_than_the_arena_takes(converted):
    def sizes(arena):
        model = flatbuffer.loads(converted("shuffle_hard"))
        rewrite(model, "micro", arena=arena)
        return len(model.main.operators), model

    (few, roomy), (many, tight) = sizes(1 << 20), sizes(None)
    assert few < many
    if "micro" in RUNTIMES:
        least, most = (open_runtime("micro", model).arena for model in (tight, roomy))
        assert least.planned < most.planned
        wanted = (least.planned + least.persistent + most.planned + most.persistent) // 2
        arena = open_runtime("micro", sizes(wanted)[1]).arena
        assert arena.planned + arena.persistent <= wanted


def test_what_cannot_be_reached_is_said_and_nothing_changed(converted):
    model = flatbuffer.loads(converted("shuffle_hard"))
    before = flatbuffer.dumps(model)
    with pytest.raises(
        ValueError, match=r"an arena of 1,024 bytes cannot be reached: [\d,]+ bytes are, [\d,]+ of them"
    ):
        fit(model, 1 << 10)
    assert flatbuffer.dumps(model) == before
