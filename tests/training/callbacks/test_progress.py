import io
import re

import pytest

from seesaw_keras.training.callbacks import progress
from seesaw_keras.training.callbacks.callback import StepLog, ValidationReport
from seesaw_keras.training.callbacks.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def angles(step, loss=8.0):
    return StepLog(step, step / 10, loss, 0.1, 50.0, {"target_angle": 60.04, "other_angle": 80.0})


def test_a_log_gets_lines_of_means_with_the_time_left(make_run, clock):
    log = io.StringIO()
    bar = ProgressBar(log)
    bar.begin(make_run(first_step=4))
    clock.now += 500  # compiling
    for step in range(5, 41):
        bar.step(angles(step, loss=float(step)))
        clock.now += 10
    bar.end(make_run())
    lines = log.getvalue().splitlines()
    # The clock starts with the first step and is looked at every 30 s; 10 s a step.
    assert lines[0] == "epoch 1/4, step 5/40, ? left, loss 5, 50 images/s, angle 60.0° own 80.0° nearest"
    assert lines[1] == "epoch 1/4, step 8/40, 05:20 left, loss 7, 50 images/s, angle 60.0° own 80.0° nearest"
    assert lines[2].startswith("epoch 2/4, step 11/40, 04:50 left, loss 10,")
    assert lines[-1].startswith("epoch 4/4, step 40/40, 00:00 left, loss 39.5,")
    assert len(lines) == 1 + 11 + 1


def test_a_terminal_gets_a_bar_that_ends_full(make_run, clock):
    terminal = Terminal()
    bar = ProgressBar(terminal)
    bar.begin(make_run(first_step=20))
    for step in range(21, 41):
        bar.step(angles(step))
        clock.now += 1
    bar.end(make_run())
    looks = [look.strip() for look in re.split(r"[\r\n]", terminal.getvalue()) if look.strip()]
    assert "50%" in looks[0] and "20/40" in looks[0]
    assert re.match(r"epoch 3/4: +55%.* 22/40 \[.*, 00:18 left, loss 8, 50 images/s, angle 60.0° own", looks[1])
    assert looks[-1].startswith("epoch 4/4: 100%") and "00:00 left" in looks[-1]


def test_a_validation_has_its_own_line(make_run):
    log = io.StringIO()
    bar = ProgressBar(log)
    bar.begin(make_run())
    bar.validated(ValidationReport(10, {"lfw_accuracy": 98.7654, "lfw_auc": 0.99}))
    assert log.getvalue() == "step 10: lfw accuracy 98.77, lfw auc 0.99\n"


def test_a_loss_without_angles_is_shown_without_them(make_run, clock):
    log = io.StringIO()
    bar = ProgressBar(log)
    bar.begin(make_run(total_steps=1))
    bar.step(StepLog(1, 0.1, 0.25, 0.1, 30.0))
    assert log.getvalue() == "epoch 1/4, step 1/1, ? left, loss 0.25, 30 images/s\n"
