import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.training.callbacks.callback import StepLog
from seesaw_keras.training.callbacks.step_means import StepMeans

NUMBERS = st.floats(0.01, 1e4)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_means_are_over_the_steps_since_the_last_take(rows):
    averages = StepMeans()
    averages.add(StepLog(1, 0.1, 1e9, 1e9, 1e9, {"other": 1e9}))
    averages.take()
    for step, (loss, speed, angle) in enumerate(rows, 2):
        averages.add(StepLog(step, step / 10, loss, 0.1 / step, speed, {"angle": angle}))
    last, size = len(rows) + 1, 32
    losses, speeds, angles = np.transpose(rows)
    assert averages.take() == pytest.approx(
        {
            "step": last,
            "epoch": last / 10,
            "loss": losses.mean(),
            "learning_rate": 0.1 / last,
            "images_per_second": len(rows) * size / (size / speeds).sum(),
            "angle": angles.mean(),
        }
    )
    assert len(averages) == 0 and averages.take() == {}


def test_a_statistic_of_some_steps_is_averaged_over_those():
    averages = StepMeans()
    for step, statistics in enumerate([{"a": 1.0}, {}, {"a": 3.0}], 1):
        averages.add(StepLog(step, 0.0, 0.0, 0.0, 0.0, statistics))
    taken = averages.take()
    assert taken["a"] == 2.0
    assert taken["images_per_second"] == 0.0
