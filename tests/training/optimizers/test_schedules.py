import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.api import keras
from seesaw_keras.training.optimizers.schedules import make_schedule


def naive_rates(kind, peak, total, warmup, milestones, decay, power, final):
    """The schedule as a loop would run it, in Python's own float64."""
    rates, reached = [], peak
    for step in range(total + 3):
        if kind == "step" and step in milestones:
            reached *= decay
        if kind in ("cosine", "polynomial") and step > warmup:
            left = max(total - step, 0) / (total - warmup)
            part = left**power if kind == "polynomial" else math.sin(math.pi / 2 * left) ** 2
            reached = final + (peak - final) * part
        rates.append(reached * step / warmup if step < warmup else reached)
    return rates


@st.composite
def schedules(draw):
    total = draw(st.integers(2, 60))
    return {
        "peak": draw(st.floats(1e-3, 10)),
        "total_steps": total,
        "warmup_steps": draw(st.integers(0, total - 1)),
        "milestones": sorted(draw(st.sets(st.integers(1, total), max_size=4))),
        "decay": draw(st.floats(0.05, 0.9)),
        "power": draw(st.floats(0.5, 3)),
        "final": draw(st.floats(0, 1e-2)),
    }


@pytest.mark.parametrize("kind", ["step", "cosine", "polynomial", "constant"])
@settings(deadline=None, max_examples=50)
@given(arguments=schedules())
def test_a_schedule_is_the_naive_loop(kind, arguments):
    wanted = naive_rates(kind, *arguments.values())
    schedule = make_schedule(kind, **arguments)
    np.testing.assert_allclose(schedule(np.arange(len(wanted))), wanted, rtol=3e-7, atol=1e-9)


def test_the_paper_divides_by_ten_at_its_milestones():
    schedule = make_schedule("step", peak=0.1, total_steps=16, milestones=[8, 12, 14])
    rates = [float(schedule(step)) for step in range(16)]
    np.testing.assert_allclose(rates, [0.1] * 8 + [0.01] * 4 + [1e-3] * 2 + [1e-4] * 2, rtol=1e-6)


def test_late_steps_of_a_long_training_differ():
    schedule = make_schedule("polynomial", peak=1.0, total_steps=2**25)
    assert float(schedule(tf.constant(2**25 - 1, tf.int64))) == np.float32(2.0**-25)


def test_what_a_schedule_gives_is_float32_and_compiles():
    schedule = make_schedule("cosine", peak=0.1, total_steps=9, warmup_steps=2)
    compiled = tf.function(schedule, jit_compile=True)(tf.constant(4, tf.int64))
    assert compiled.dtype == tf.float32
    np.testing.assert_allclose(compiled, schedule(4), rtol=1e-6)


@pytest.mark.parametrize("kind", ["step", "cosine", "polynomial", "constant"])
def test_schedules_are_serializable(kind):
    schedule = make_schedule(kind, peak=0.1, total_steps=40, warmup_steps=3, milestones=(10, 20), final=1e-3)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in range(41)] == [float(schedule(step)) for step in range(41)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "linear"}, "unknown schedule 'linear'.*cosine"),
        ({"warmup_steps": 10}, "warmup_steps < total_steps, got 10 and 10"),
        ({"peak": 0.0}, "peak=0.0"),
        ({"peak": math.nan}, "peak=nan"),
        ({"final": -1.0}, "final=-1.0"),
        ({"milestones": (5, 3)}, r"must be increasing, got \[5, 3\]"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(**{"kind": "step", "peak": 0.1, "total_steps": 10, **change})
