"""Training progress as a terminal progress bar or as log lines. No TensorFlow import.

>>> from seesaw_keras.training.callbacks.progress import ProgressBar
>>> train(recipe, source, out, callbacks=[ProgressBar()])  # doctest: +SKIP
epoch 3/16:  15%|█▌        | 4620/30304 [38:12<3:31:20, loss 11.92, 121 images/s, angle 58.3° own 83.1° nearest]
"""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm

from seesaw_keras.training.callbacks.callback import Callback, Run, StepLog, ValidationReport
from seesaw_keras.training.callbacks.step_means import StepMeans

__all__ = ["ProgressBar"]

BAR_SECONDS, LINE_SECONDS = 0.5, 30.0  # update intervals on a terminal and in a log


class ProgressBar(Callback):
    """Shows epoch, loss, images/s, time left, and the mean angles to the own and the nearest other class center.

    Prints a progress bar on a terminal, otherwise one line every 30 seconds. Values are means since the last update.
    The time left is estimated from all steps of this process except the first, which compiles, and includes
    validations.

    Args:
        file: output stream; standard error if None.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def begin(self, run: Run) -> None:
        """Creates the progress bar."""
        self._run = run
        self._averages = StepMeans()
        self._out = self._file or sys.stderr
        self._terminal = self._out.isatty()
        self._last_update = time.monotonic()
        self._started: float | None = None
        self._bar = tqdm(
            total=run.total_steps,
            initial=run.first_step,
            unit="step",
            file=self._out,
            dynamic_ncols=True,
            disable=not self._terminal,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        )

    def step(self, report: StepLog) -> None:
        """Records a step and updates the display if the update interval has passed."""
        self._averages.add(report)
        now = time.monotonic()
        if self._started is None:
            self._started, self._first = now, report.step
        wait = BAR_SECONDS if self._terminal else LINE_SECONDS
        if now - self._last_update < wait and report.step < self._run.total_steps:
            return
        self._last_update = now
        epochs = self._run.recipe.epochs
        epoch = f"epoch {min(int(report.epoch) + 1, epochs)}/{epochs}"
        shown = f"{self._time_left(report.step, now - self._started)} left, {_format_means(self._averages.take())}"
        if self._terminal:
            self._bar.set_description_str(epoch, refresh=False)
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.n = report.step
            self._bar.refresh()
        else:
            self._print(f"{epoch}, step {report.step}/{self._run.total_steps}, {shown}")

    def validated(self, report: ValidationReport) -> None:
        """Prints the validation metrics on a separate line."""
        metrics = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.metrics.items())
        self._print(f"step {report.step}: {metrics}")

    def end(self, run: Run) -> None:
        """Closes the progress bar and leaves it on screen."""
        self._bar.close()

    def _time_left(self, step: int, seconds: float) -> str:
        if step == self._first:
            return "?"
        return tqdm.format_interval(seconds / (step - self._first) * (self._run.total_steps - step))

    def _print(self, line: str) -> None:
        tqdm.write(line, file=self._out)
        self._out.flush()


def _format_means(means: Mapping[str, float]) -> str:
    parts = [f"loss {means['loss']:.4g}", f"{means['images_per_second']:.0f} images/s"]
    angles = [
        f"{means[name]:.1f}\u00b0 {whose}"
        for name, whose in (("target_angle", "own"), ("other_angle", "nearest"))
        if name in means
    ]
    return ", ".join([*parts, *(["angle " + " ".join(angles)] if angles else [])])
