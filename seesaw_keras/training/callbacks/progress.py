"""A training's progress on the terminal, or as lines of a log. No TensorFlow import.

>>> from seesaw_keras.training.callbacks.progress import ProgressBar
>>> train(recipe, source, out, monitors=[ProgressBar()])  # doctest: +SKIP
epoch 3/16:  15%|█▌        | 4620/30304 [38:12<3:31:20, loss 11.92, 121 images/s, angle 58.3° own 83.1° nearest]
"""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from tqdm import tqdm

from seesaw_keras.training.callbacks.callback import Monitor, Run, StepReport, ValidationReport
from seesaw_keras.training.callbacks.step_means import Averages

__all__ = ["ProgressBar"]

BAR_SECONDS, LINE_SECONDS = 0.5, 30.0  # between two looks on a terminal and in a log


class ProgressBar(Monitor):
    """Shows epoch, loss, images/s, time left, and the mean angles to the own and the nearest other class center.

    On a terminal it is a bar, elsewhere a line twice a minute. Numbers are means since the last look; time left is by
    all steps of this process but the first, which compiles, validations included.

    Args:
        file: where to; standard error if None.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def begin(self, run: Run) -> None:
        """Shows the bar."""
        self._run = run
        self._averages = Averages()
        self._out = self._file or sys.stderr
        self._terminal = self._out.isatty()
        self._looked = time.monotonic()
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

    def step(self, report: StepReport) -> None:
        """Counts a step, and shows it when the last look is long enough ago."""
        self._averages.add(report)
        now = time.monotonic()
        if self._started is None:
            self._started, self._first = now, report.step
        wait = BAR_SECONDS if self._terminal else LINE_SECONDS
        if now - self._looked < wait and report.step < self._run.total_steps:
            return
        self._looked = now
        epochs = self._run.recipe.epochs
        epoch = f"epoch {min(int(report.epoch) + 1, epochs)}/{epochs}"
        shown = f"{self._time_left(report.step, now - self._started)} left, {_text(self._averages.take())}"
        if self._terminal:
            self._bar.set_description_str(epoch, refresh=False)
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.n = report.step
            self._bar.refresh()
        else:
            self._say(f"{epoch}, step {report.step}/{self._run.total_steps}, {shown}")

    def validated(self, report: ValidationReport) -> None:
        """Shows the figures on a line of their own."""
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.figures.items())
        self._say(f"step {report.step}: {figures}")

    def end(self, run: Run) -> None:
        """Leaves the full bar."""
        self._bar.close()

    def _time_left(self, step: int, seconds: float) -> str:
        if step == self._first:
            return "?"
        return tqdm.format_interval(seconds / (step - self._first) * (self._run.total_steps - step))

    def _say(self, line: str) -> None:
        tqdm.write(line, file=self._out)
        self._out.flush()


def _text(means: Mapping[str, float]) -> str:
    parts = [f"loss {means['loss']:.4g}", f"{means['images_per_second']:.0f} images/s"]
    angles = [
        f"{means[name]:.1f}\u00b0 {whose}"
        for name, whose in (("target_angle", "own"), ("other_angle", "nearest"))
        if name in means
    ]
    return ", ".join([*parts, *(["angle " + " ".join(angles)] if angles else [])])
