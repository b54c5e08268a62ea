import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from seesaw_keras.training.callbacks.callback import ValidationReport
from seesaw_keras.training.callbacks.history import HISTORY, History, read_history


def train(history, report, first, last, checkpoints=(), validations=()):
    """Runs steps first + 1 to last, in the trainer's order of calls."""
    for step in range(first + 1, last + 1):
        history.step(report(step, target_angle=float(step)))
        if step in validations:
            history.validated(ValidationReport(step, {"lfw_accuracy": 50.0 + step}))
        if step in checkpoints:
            history.checkpoint(step, None)


def test_rows_are_means_and_hold_the_figures_of_their_step(make_run, report, tmp_path):
    history, run = History(every=4), make_run()
    history.begin(run)
    train(history, report, 0, 40, checkpoints=(10, 20, 30, 40), validations=(10, 20, 30, 40))
    history.end(run)
    columns = read_history(tmp_path / HISTORY)
    steps = [4, 8, 10, 14, 18, 20, 24, 28, 30, 34, 38, 40]
    assert columns["step"].tolist() == steps
    means = [np.arange(start + 1, end + 1).mean() for start, end in zip([0, *steps], steps, strict=False)]
    np.testing.assert_allclose(columns["target_angle"], means)
    np.testing.assert_allclose(columns["loss"], 100 - np.array(means))
    np.testing.assert_allclose(columns["epoch"], np.array(steps) / 10)
    np.testing.assert_equal(columns["lfw_accuracy"], [50 + step if step % 10 == 0 else np.nan for step in steps])


def test_an_interrupted_run_logs_the_same_as_an_uninterrupted_one(make_run, report, tmp_path):
    checkpoints = validations = (10, 20, 30, 40)
    tables = []
    for folder, ends in (("whole", [(0, 40)]), ("parts", [(0, 17), (10, 33), (30, 30), (30, 40)])):
        out = tmp_path / folder
        for first, last in ends:
            history = History(every=3)
            history.begin(make_run(out=out, first_step=first))
            train(history, report, first, last, checkpoints, validations)
        tables.append((out / HISTORY).read_text())
    assert tables[0] == tables[1]
    assert len(tables[0].splitlines()) == 1 + 4 * 4


def test_a_figure_after_the_checkpoint_of_its_step_has_a_row_of_its_own(make_run, report, tmp_path):
    history = History()
    history.begin(make_run())
    train(history, report, 0, 10, checkpoints=(10,))
    history.validated(ValidationReport(10, {"lfw_accuracy": 60.0}))
    train(history, report, 10, 11)
    history.end(make_run())
    columns = read_history(tmp_path / HISTORY)
    assert columns["step"].tolist() == [10, 10, 11]
    np.testing.assert_equal(columns["lfw_accuracy"], [np.nan, 60, np.nan])
    np.testing.assert_equal(columns["loss"], [94.5, np.nan, 89])


KILLED = """
from seesaw_keras.training.callbacks.history import History
from seesaw_keras.training.callbacks.callback import Run, StepLog
from seesaw_keras.training.recipe import get_recipe
from pathlib import Path
import sys
history = History(every=1)
history.begin(Run(get_recipe("paper"), Path(sys.argv[1]), 10, 10**9, 0, 8, None))
for step in range(1, 10**9):
    history.step(StepLog(step, step / 10, 1.5, 0.1, 50.0, {"target_angle": 80.0}))
    if step == 300:
        print("going", flush=True)
"""


def test_a_killed_training_leaves_a_table_that_reads(make_run, repository, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"going\n"
        process.send_signal(signal.SIGKILL)
    steps = read_history(tmp_path / HISTORY)["step"]
    assert len(steps) >= 299
    assert steps.tolist() == list(range(1, len(steps) + 1))
    History().begin(make_run(first_step=100))
    assert read_history(tmp_path / HISTORY)["step"].tolist() == list(range(1, 101))


def test_a_last_line_that_was_not_finished_is_left_out(make_run, report, tmp_path):
    history = History(every=1)
    history.begin(make_run())
    train(history, report, 0, 10, checkpoints=(10,))
    path = tmp_path / HISTORY
    whole = path.read_bytes()
    for cut in range(whole.rindex(b"\n", 0, -1) + 1, len(whole)):
        path.write_bytes(whole[:cut] + b"\0" * (cut % 2))
        assert read_history(path)["step"].tolist() == list(range(1, 10))
    resumed = History(every=1)
    resumed.begin(make_run(first_step=9))
    train(resumed, report, 9, 10, checkpoints=(10,))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n1,2\n", b"\x89PNG\xff\xfe\n", b"step,epoch,loss\n"])
def test_another_file_of_that_name_is_refused_and_left_alone(content, make_run, tmp_path):
    path = tmp_path / HISTORY
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"history\.csv: not a training history.*move it away"):
        History().begin(make_run())
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", ["5,1", "1,2,3,4,5,6", ",1,2,3,4", "x,1,2,3,4", ""])
def test_a_damaged_row_is_named(line, make_run, tmp_path):
    path = tmp_path / HISTORY
    path.write_text(f"step,epoch,loss,learning_rate,images_per_second\n1,1,1,1,1\n{line}\n2,1,1,1,1\n")
    with pytest.raises(ValueError, match=r"history\.csv, line 3: expected 5 numbers"):
        History().begin(make_run())


def test_every_must_be_positive():
    with pytest.raises(ValueError, match="every must be 1 or more, got 0"):
        History(every=0)
