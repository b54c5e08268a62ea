"""What a training tells whoever watches it. No TensorFlow import.

>>> from seesaw_keras.training.callbacks.callback import Monitor, Monitors, StepReport
>>> class Losses(Monitor):
...     def __init__(self):
...         self.seen = []
...     def step(self, report):
...         self.seen.append(report.loss)
>>> losses = Losses()
>>> Monitors([losses]).step(StepReport(1, 0.5, loss=2.0, learning_rate=0.1, images_per_second=30.0))
>>> losses.seen
[2.0]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from seesaw_keras.training.recipe import Recipe

__all__ = ["Monitor", "Monitors", "Run", "StepReport", "ValidationReport"]


@dataclass(frozen=True)
class Run:
    """A training that begins, or goes on.

    Attributes:
        recipe: what is trained.
        out: the folder of its results.
        steps_per_epoch: batches of an epoch.
        total_steps: of the whole training.
        first_step: steps completed before; 0 for a new training.
        batch_size: images of a step, over all replicas.
        model: the embedding network, a Keras model: images (n, side, side, 3) in [-1, 1] to embeddings (n, d).
        first_batch: reads the images of the training's first batch, uint8 RGB (n, side, side, 3); None without images.
    """

    recipe: Recipe
    out: Path
    steps_per_epoch: int
    total_steps: int
    first_step: int
    batch_size: int
    model: Any
    first_batch: Callable[[], npt.NDArray[Any]] | None = None


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: steps completed, this one included: from 1.
        epoch: passes over the data completed: step / steps_per_epoch.
        loss: the mean over the images of the batch.
        learning_rate: that was used.
        images_per_second: of this step, over all replicas.
        statistics: other means over the batch, such as `target_angle` and `other_angle` in degrees.
    """

    step: int
    epoch: float
    loss: float
    learning_rate: float
    images_per_second: float
    statistics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ValidationReport:
    """What a validation found.

    Attributes:
        step: steps completed.
        figures: by name, accuracies in percent.
        pictures: by name, PNG files.
    """

    step: int
    figures: Mapping[str, float]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


class Monitor:
    """Watches a training: override what is of interest; nothing here does anything.

    The trainer calls `begin`; for every step `step`, then, where they are due, `validate` and `checkpoint`, in this
    order; at the last `end`, which is not called when the training fails or is interrupted. Exceptions end the
    training.
    """

    def begin(self, run: Run) -> None:
        """Gets to know the training, before its first step."""

    def step(self, report: StepReport) -> None:
        """Sees one step."""

    def validate(self, step: int, model: Any) -> ValidationReport | None:
        """Judges the network after `step` steps; `model` holds the weights to judge (the averaged ones, if any)."""

    def validated(self, report: ValidationReport) -> None:
        """Sees what a monitor's `validate` found."""

    def checkpoint(self, step: int, path: Path) -> None:
        """Sees that a checkpoint of `step` is safe in the folder `path`: a restart goes on from it."""

    def end(self, run: Run) -> None:
        """Sees the end of a whole training, `run.model` holding the final weights."""


class Monitors(Monitor):
    """Several monitors as one; what one of them finds in `validate` is shown to all."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self._monitors = tuple(monitors)

    def begin(self, run: Run) -> None:
        """Tells all."""
        for monitor in self._monitors:
            monitor.begin(run)

    def step(self, report: StepReport) -> None:
        """Tells all."""
        for monitor in self._monitors:
            monitor.step(report)

    def validate(self, step: int, model: Any) -> None:
        """Asks all, and shows all what each finds."""
        for monitor in self._monitors:
            report = monitor.validate(step, model)
            if report is not None:
                self.validated(report)

    def validated(self, report: ValidationReport) -> None:
        """Tells all."""
        for monitor in self._monitors:
            monitor.validated(report)

    def checkpoint(self, step: int, path: Path) -> None:
        """Tells all."""
        for monitor in self._monitors:
            monitor.checkpoint(step, path)

    def end(self, run: Run) -> None:
        """Tells all."""
        for monitor in self._monitors:
            monitor.end(run)
