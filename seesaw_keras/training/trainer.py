"""`train()`: trains an embedding network from a recipe and images; can be stopped and resumed at any time.

>>> from seesaw_keras.training.recipe import get_recipe
>>> from seesaw_keras.training.trainer import train
>>> model = train(get_recipe("paper"), "shards", "runs/paper")  # doctest: +SKIP
>>> model.save_weights("runs/paper/final.weights.h5")  # doctest: +SKIP

A step depends only on the weights and the step number: a run that is killed and restarted with the same call ends with
the same weights as an uninterrupted run.
"""

import logging
import math
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.data.records import Source
from seesaw_keras.data.training_input import TrainingInput
from seesaw_keras.training.callbacks.callback import Callback, CallbackList, Run, StepLog
from seesaw_keras.training.checkpoints import Checkpoints
from seesaw_keras.training.fast.fast_graph import FastForward
from seesaw_keras.training.interrupts import Interrupts
from seesaw_keras.training.network import NetworkProvider, build_network, start_from
from seesaw_keras.training.objective import Objective, make_objective
from seesaw_keras.training.optimizers.ema import ExponentialMovingAverage
from seesaw_keras.training.optimizers.optimizer import Optimizer, reference_weight_decay
from seesaw_keras.training.optimizers.schedules import make_schedule
from seesaw_keras.training.recipe import Recipe
from seesaw_keras.training.run_fingerprint import run_fingerprint
from seesaw_keras.training.step import StepMetrics, TrainingStep
from seesaw_keras.training.strategies import (
    check_workers_agree,
    is_chief,
    make_strategy,
    name_lost_workers,
    share_batches,
    synchronize,
)

__all__ = ["NotFiniteError", "train"]

_NAMES_SHOWN = 8
_STEPS_OF_RATE = 20


class NotFiniteError(ValueError):
    """Raised when the loss or its gradient is infinite or NaN.

    Attributes:
        step: the step number, from 1.
        names: names of the images in its batch.
    """

    def __init__(self, message: str, step: int, names: list[str]) -> None:
        super().__init__(message)
        self.step = step
        self.names = names


def train(
    recipe: Recipe,
    source: str | Path | Source,
    out: str | Path,
    *,
    strategy: Any = "none",
    teacher: npt.NDArray[np.floating] | None = None,
    weights: str | Path | None = None,
    network: NetworkProvider | None = None,
    callbacks: Sequence[Callback] = (),
    deterministic: bool = False,
    checkpoint_minutes: float = 10.0,
) -> Any:
    """Trains an embedding network, or resumes training if the same call was interrupted.

    Checkpoints are written to `out/checkpoints` every few minutes, at the end of every epoch, and on Ctrl-C or
    SIGTERM. Sets the seeds of Python, NumPy and TensorFlow.

    Args:
        recipe: hyperparameters of the run.
        source: the images: TFRecord shards or any `Source`.
        out: output folder; must be shared by all workers.
        strategy: "none", "mirrored", "multi_worker", or a strategy from `make_strategy`.
        teacher: teacher embeddings (views, number of images, dimension), see `teacher.teacher_targets`.
        weights: file with initial weights, see `network.start_from`; None for random initialization.
        network: provides a network with its own weights, for one replica only; None for the recipe's network.
        callbacks: callbacks; with several workers, only those of the chief are called.
        deterministic: whether to enable TensorFlow's deterministic operators, for the rest of this process. Slower.
        checkpoint_minutes: maximum time between checkpoints.

    Returns:
        The network, float32, with L2-normalized embeddings; it holds the averaged weights if the recipe sets `ema`.

    Raises:
        ValueError: if the recipe, data and output folder do not match, or an image cannot be used.
        NotFiniteError: if the loss is not finite; the message names the step, the images and the last checkpoint.
        ConnectionError: if another worker is lost.
        OSError: if the last checkpoint cannot be written.
        KeyboardInterrupt: on Ctrl-C, after a checkpoint.
        SystemExit: on SIGTERM, after a checkpoint.
    """
    if recipe.distills != (teacher is not None):
        problem = "needs a teacher's embeddings" if recipe.distills else "does not use a teacher"
        raise ValueError(f"recipe {recipe.name!r} {problem}: see cosine_weight, relation_weight and contrast_weight")
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(recipe.seed)
    strategy = make_strategy(strategy) if isinstance(strategy, str) else strategy
    if network is not None and (weights is not None or strategy.num_replicas_in_sync > 1):
        raise ValueError("network cannot be combined with weights or with several replicas")
    training = _Training(recipe, source, Path(out), strategy, teacher, weights, network, callbacks, checkpoint_minutes)
    return training.run()


@contextmanager
def _name_images() -> Iterator[None]:
    """Restores the original ValueError about an image from the InvalidArgumentError that tf.data wraps it in."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        lines = [line for line in str(error.message).splitlines() if line.startswith("ValueError: ")]
        if not lines:
            raise
        raise ValueError(lines[0].removeprefix("ValueError: ")) from error


@contextmanager
def _policy(name: str) -> Iterator[None]:
    """Sets the mixed-precision policy for layers created in the block."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> Optimizer:
    schedule = make_schedule(
        recipe.schedule,
        peak=recipe.learning_rate,
        total_steps=recipe.epochs * steps_per_epoch,
        warmup_steps=round(recipe.warmup_epochs * steps_per_epoch),
        milestones=[round(epoch * steps_per_epoch) for epoch in recipe.milestones],
        final=recipe.final_learning_rate,
    )
    return Optimizer(
        recipe.optimizer,
        schedule,
        momentum=recipe.momentum,
        decays=reference_weight_decay(recipe.weight_decay, recipe.last_weight_decay),
        clip_norm=recipe.clip_norm,
        loss_scaling=recipe.precision == "mixed_float16",
    )


class _Training:
    """State and step loop of one training run."""

    def __init__(
        self,
        recipe: Recipe,
        source: str | Path | Source,
        out: Path,
        strategy: Any,
        teacher: npt.NDArray[np.floating] | None,
        weights: str | Path | None,
        given: NetworkProvider | None,
        callbacks: Sequence[Callback],
        checkpoint_minutes: float,
    ) -> None:
        self._recipe = recipe
        self._out = out
        self._strategy = strategy
        self._teacher = teacher
        self._given = given
        self._input = self._make_input(source, 1, 0)
        self._steps_per_epoch = self._input.steps_per_epoch
        self._total_steps = recipe.epochs * self._steps_per_epoch
        self._chief = is_chief(strategy)
        self._callbacks = CallbackList(callbacks if self._chief else ())
        self._checkpoint_seconds = checkpoint_minutes * 60
        self._run_fingerprint = run_fingerprint(recipe, source, self._input, teacher, weights)
        if given is not None:
            self._run_fingerprint["network"] = given.facts
        self._make_parts(weights)
        self._rates: deque[float] = deque(maxlen=_STEPS_OF_RATE)
        self._requests = [0.0, 0.0]  # to stop, to save: by any worker

    def _make_input(self, source: str | Path | Source, shares: int, share: int) -> TrainingInput:
        recipe = self._recipe
        targets = {} if self._teacher is None else {"targets": self._teacher}
        return TrainingInput(
            source,
            batch_size=recipe.batch_size,
            image_size=recipe.image_size,
            seed=recipe.seed,
            views=recipe.views,
            degrade=recipe.degrade,
            images_per_identity=recipe.images_per_identity,
            drop_remainder=False,
            num_workers=shares,
            worker=share,
            **targets,
        )

    def _make_parts(self, weights: str | Path | None) -> None:
        """Creates the networks, objective, optimizer, weight average, checkpoints and training step.

        Initial weights are drawn outside the strategy's scope, where they depend only on the seed.
        """
        recipe, strategy = self._recipe, self._strategy
        self._model = self._build(normalize=True)
        if weights is not None:
            start_from(self._model, weights)
        first_objective = self._make_objective()
        with strategy.scope(), _policy(recipe.precision):
            # Norm-based margins need unnormalized embeddings; the normalization layer of `self._model` has no weights.
            network = self._build(normalize=False)
            if strategy.num_replicas_in_sync > 1:
                network = synchronize(network)
            network.set_weights(self._model.get_weights())
            objective = self._make_objective()
            objective.set_weights(first_objective.get_weights())
            optimizer = _optimizer(recipe, self._steps_per_epoch)
            optimizer.build([*network.trainable_variables, *objective.trainable_variables])
            self._average = ExponentialMovingAverage(network.weights, recipe.ema) if recipe.ema else None
        self._network, self._optimizer = network, optimizer
        parts = {"network": network, "objective": objective, "optimizer": optimizer}
        if self._average is not None:
            parts["average"] = self._average
        self._checkpoints = Checkpoints(
            self._out / "checkpoints", tf.train.Checkpoint(**parts), self._run_fingerprint, chief=self._chief
        )
        self._step = TrainingStep(
            strategy,
            self._forward(),
            objective,
            optimizer,
            average=self._average,
            accumulate=recipe.accumulate,
            dropout=recipe.dropout,
            seed=recipe.seed,
            xla=recipe.xla,
        )

    def _build(self, *, normalize: bool) -> Any:
        if self._given is None:
            return build_network(self._recipe, normalize=normalize)
        return self._given.build(self._total_steps, normalize=normalize)

    def _forward(self) -> Any:
        if self._given is None:
            return FastForward(self._network)
        return self._given.forward(self._network, self._optimizer.iterations)

    def _make_objective(self) -> Objective:
        objective = make_objective(
            self._recipe, self._input.num_classes, self._teacher, unlabeled=self._input.unlabeled
        )
        objective.build((None, self._recipe.embedding_size))
        return objective

    def run(self) -> Any:
        """Runs the remaining steps and returns the network."""
        with name_lost_workers(self._strategy, self._resume_hint):
            self._saved = first = self._checkpoints.restore()
            check_workers_agree(
                self._strategy,
                f"{first} {self._run_fingerprint}",
                f"step, recipe or data differ between workers; use the same for all, and a shared output folder: "
                f"{self._out}",
            )
            run = Run(
                recipe=self._recipe,
                out=self._out,
                steps_per_epoch=self._steps_per_epoch,
                total_steps=self._total_steps,
                first_step=first,
                batch_size=self._recipe.batch_size,
                model=self._model,
                first_batch=lambda: self._input.load(0, 0)[0],
            )
            self._callbacks.begin(run)
            with _name_images(), Interrupts() as self._interrupts:
                self._loop(first)
            self._export()
            self._callbacks.end(run)
        return self._model

    def _loop(self, first: int) -> None:
        """Runs the steps; the metrics of a step are read while the next one runs."""
        if first == self._total_steps:
            return
        epoch, step = divmod(first, self._steps_per_epoch)
        batches = share_batches(self._strategy, self._share, epoch=epoch, step=step)
        self._saved_at = self._read_at = time.monotonic()
        running: tuple[int, Any] | None = None
        try:
            for number in range(first + 1, self._total_steps + 1):
                following = number, self._step(batches, self._size(number), self._pending_requests())
                if running:
                    self._report(*running)
                running = following
                if any(self._requests) or self._due(number):
                    self._report(*running)
                    running = None
                    self._pause(number)
        finally:
            # An exception's traceback would keep the iterator alive until interpreter shutdown, where it deadlocks
            # waiting for threads that can no longer run Python.
            del batches

    def _share(self, shares: int, share: int) -> TrainingInput:
        return self._input if shares == 1 else self._make_input(self._input.source, shares, share)

    def _epoch_and_step(self, number: int) -> tuple[int, int]:
        """Returns (epoch, step in the epoch), both from 0, of a step number that counts from 1."""
        return divmod(number - 1, self._steps_per_epoch)

    def _size(self, number: int) -> int:
        return len(self._input.batch_indices(*self._epoch_and_step(number)))

    def _pending_requests(self) -> list[float]:
        """Returns this process's requests; they are reduced with the step, so all workers act after the same step."""
        late = self._chief and time.monotonic() - self._saved_at > self._checkpoint_seconds
        return [float(self._interrupts.signal is not None), float(late)]

    def _due(self, number: int) -> bool:
        return number % self._steps_per_epoch == 0 or self._validates(number)

    def _validates(self, number: int) -> bool:
        every = max(round(self._recipe.validate_every * self._steps_per_epoch), 1)
        return number % every == 0 or number == self._total_steps

    def _report(self, number: int, result: Any) -> None:
        """Reads a step's metrics, checks them and passes them to the callbacks."""
        metrics = self._step.read(result)
        now = time.monotonic()
        self._rates.append(self._size(number) / (now - self._read_at))
        self._read_at = now
        self._requests = [old + new for old, new in zip(self._requests, metrics.requests, strict=True)]
        self._check_finite(number, metrics)
        self._callbacks.step(
            StepLog(
                step=number,
                epoch=number / self._steps_per_epoch,
                loss=metrics.loss,
                learning_rate=metrics.learning_rate,
                # Median over several steps, because steps that include tracing are not representative.
                images_per_second=statistics.median(self._rates),
                statistics=metrics.statistics,
            )
        )

    def _check_finite(self, number: int, metrics: StepMetrics) -> None:
        applied = metrics.statistics.get("applied", 1.0) > 0  # loss scaling skips steps that overflow
        if math.isfinite(metrics.loss) and (math.isfinite(metrics.statistics["gradient_norm"]) or not applied):
            return
        names = [
            self._input.source[index].name
            for index in self._input.batch_indices(*self._epoch_and_step(number)).tolist()
        ]
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        last = self._checkpoints.latest()
        raise NotFiniteError(
            f"step {number}: the loss is {metrics.loss}, the gradient norm {metrics.statistics['gradient_norm']}; "
            f"the images were {', '.join(names[:_NAMES_SHOWN])}{more}. Last good checkpoint: {last or 'none'}. A lower "
            f"learning_rate, warmup_epochs or clip_norm may help",
            number,
            names,
        )

    def _pause(self, number: int) -> None:
        """Validates and saves after a step if due, and stops on request."""
        stop, save = self._requests
        if self._validates(number):
            self._export()
            self._callbacks.validate(number, self._model)
        if stop or save or number % self._steps_per_epoch == 0:
            self._save(number, must=bool(stop) or number == self._total_steps)
        self._requests = [0.0, 0.0]
        self._read_at = time.monotonic()
        if stop and number < self._total_steps:
            self._interrupts.reraise()

    def _save(self, number: int, *, must: bool) -> None:
        try:
            path = self._checkpoints.save(number, number // self._steps_per_epoch)
        except OSError as error:
            if must:
                raise
            logging.getLogger(__name__).warning("cannot write the checkpoint of step %d, continuing: %s", number, error)
        else:
            self._saved = number
            self._callbacks.checkpoint(number, path)
        self._saved_at = time.monotonic()

    def _export(self) -> None:
        """Copies the current weights, averaged if enabled, into the network that is returned."""
        if self._average is not None:
            self._average.assign_to(self._model.weights)
        else:
            self._model.set_weights(self._network.get_weights())

    def _resume_hint(self) -> str:
        return (
            f"after the checkpoint of step {self._saved}; start all workers with the same command to resume from there."
        )
