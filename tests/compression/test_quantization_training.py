"""Quantization-aware networks in the trainer."""

import numpy as np
import pytest

from seesaw_keras.compression import QuantizationNetwork, fake_quantized_matches
from seesaw_keras.tflite.conversion.convert import convert
from seesaw_keras.training.callbacks.callback import Callback


class Snapshots(Callback):
    """Keeps all weights by name after each validation, which the trainer waits for."""

    def __init__(self):
        self.taken = []

    def validate(self, step, model):
        self.taken.append({weight.name: weight.numpy() for weight in model.weights})


def changed(one, other, *parts):
    names = [name for name in one if any(part in name for part in parts)]
    assert names
    return {name for name in names if not np.array_equal(one[name], other[name])}


@pytest.mark.slow
def test_ranges_and_statistics_freeze_and_weights_go_on(plain, teach):
    """Two steps an epoch, a validation after each: frozen after four steps, so from the second on."""
    watch = Snapshots()
    teach(QuantizationNetwork(plain, teach.images, freeze_after=4), callbacks=[watch])
    first, second, third, last = watch.taken
    settled = ("_min", "_max", "moving_")
    assert len(changed(first, second, "output_min", "output_max")) > 10
    assert len(changed(first, second, "moving_")) == 8
    assert changed(first, second, "kernel_max")
    assert not changed(second, third, *settled) and not changed(third, last, *settled)
    for before, after in ((first, second), (second, third), (third, last)):
        assert len(changed(before, after, "kernel:", "gamma", "beta", "bias")) == 5 + 2 * 4 + 1


@pytest.mark.slow
def test_goes_on_where_it_was_stopped(plain, teach):
    straight = teach(QuantizationNetwork(plain, teach.images, freeze_after=3), "straight")
    for step in (3, 6):
        with pytest.raises(InterruptedError):
            teach(QuantizationNetwork(plain, teach.images, freeze_after=3), stop_at=step)
    pieces = teach(QuantizationNetwork(plain, teach.images, freeze_after=3))
    for one, other in zip(straight.get_weights(), pieces.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match=r"network\.freeze_after = 3, not 4"):
        teach(QuantizationNetwork(plain, teach.images, freeze_after=4))


@pytest.mark.slow
def test_what_was_trained_is_what_the_flatbuffer_computes(plain, teach):
    given = QuantizationNetwork(plain, teach.images, freeze_after=4)
    aware = given.finished(teach(given))
    pixels = np.rint(teach.images * 127.5 + 127.5).astype(np.uint8)
    worst, *_ = fake_quantized_matches(aware, convert(aware), pixels)
    assert worst.good, worst
    assert aware.layers[-1].name == "quant_embedding"


def test_freezing_before_the_start_is_refused(plain, teach):
    with pytest.raises(ValueError, match="freeze_after must be 0 or more steps, got -1"):
        QuantizationNetwork(plain, teach.images, freeze_after=-1)
