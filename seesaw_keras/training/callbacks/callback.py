"""Base class for training callbacks and the reports passed to them. Does not import TensorFlow.

>>> from seesaw_keras.training.callbacks.callback import Callback, CallbackList, StepLog
>>> class Losses(Callback):
...     def __init__(self):
...         self.seen = []
...     def step(self, report):
...         self.seen.append(report.loss)
>>> losses = Losses()
>>> CallbackList([losses]).step(StepLog(1, 0.5, loss=2.0, learning_rate=0.1, images_per_second=30.0))
>>> losses.seen
[2.0]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from seesaw_keras.training.recipe import Recipe

__all__ = ["Callback", "CallbackList", "Run", "StepLog", "ValidationReport"]


@dataclass(frozen=True)
class Run:
    """A new or resumed training run.

    Attributes:
        recipe: the recipe.
        out: output folder.
        steps_per_epoch: number of batches per epoch.
        total_steps: total number of steps.
        first_step: number of steps completed before this start; 0 for a new run.
        batch_size: global batch size, over all replicas.
        model: the embedding network, a Keras model from images (n, side, side, 3) in [-1, 1] to embeddings (n, d).
        first_batch: returns the images of the first batch, uint8 RGB (n, side, side, 3); None without images.
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
class StepLog:
    """Metrics of one step.

    Attributes:
        step: number of completed steps including this one, from 1.
        epoch: number of completed epochs, step / steps_per_epoch.
        loss: mean loss over the batch.
        learning_rate: learning rate of the step.
        images_per_second: throughput over all replicas.
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
    """Results of a validation.

    Attributes:
        step: number of completed steps.
        metrics: values by name; accuracies in percent.
        pictures: plots by name, as PNG files.
    """

    step: int
    metrics: Mapping[str, float]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


class Callback:
    """Base class for training callbacks; every method is a no-op to override.

    The trainer calls `begin`, then `step` for every step, followed by `validate` and `checkpoint` in this order when
    due, and finally `end`, which is not called if training fails or is interrupted. Exceptions stop training.
    """

    def begin(self, run: Run) -> None:
        """Called before the first step."""

    def step(self, report: StepLog) -> None:
        """Called after every step."""

    def validate(self, step: int, model: Any) -> ValidationReport | None:
        """Evaluates the network after `step` steps; `model` holds the averaged weights if averaging is enabled."""

    def validated(self, report: ValidationReport) -> None:
        """Called with the result of any callback's `validate`."""

    def checkpoint(self, step: int, path: Path) -> None:
        """Called after a checkpoint of `step` was written to the folder `path`."""

    def end(self, run: Run) -> None:
        """Called when training completes; `run.model` holds the final weights."""


class CallbackList(Callback):
    """Calls several callbacks in order; each result of `validate` is passed to `validated` of all of them."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = tuple(callbacks)

    def begin(self, run: Run) -> None:
        """Calls `begin` of every callback."""
        for callback in self._callbacks:
            callback.begin(run)

    def step(self, report: StepLog) -> None:
        """Calls `step` of every callback."""
        for callback in self._callbacks:
            callback.step(report)

    def validate(self, step: int, model: Any) -> None:
        """Calls `validate` of every callback and passes each report to `validated`."""
        for callback in self._callbacks:
            report = callback.validate(step, model)
            if report is not None:
                self.validated(report)

    def validated(self, report: ValidationReport) -> None:
        """Calls `validated` of every callback."""
        for callback in self._callbacks:
            callback.validated(report)

    def checkpoint(self, step: int, path: Path) -> None:
        """Calls `checkpoint` of every callback."""
        for callback in self._callbacks:
            callback.checkpoint(step, path)

    def end(self, run: Run) -> None:
        """Calls `end` of every callback."""
        for callback in self._callbacks:
            callback.end(run)
