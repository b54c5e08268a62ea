"""One training step as a `tf.function`: gradients, update and metrics.

>>> step = TrainingStep(strategy, network, objective, optimizer)  # doctest: +SKIP
>>> result = step(batches, count=192, requests=[])  # doctest: +SKIP
>>> step.read(result).loss  # doctest: +SKIP
45.2
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from seesaw_keras.training.objective import Objective
from seesaw_keras.training.optimizers.ema import ExponentialMovingAverage
from seesaw_keras.training.optimizers.optimizer import Optimizer

__all__ = ["StepMetrics", "TrainingStep"]


class StepMetrics(NamedTuple):
    """Metrics of one step, over all replicas.

    Attributes:
        loss: mean over the global batch.
        learning_rate: learning rate of the step.
        statistics: the objective's statistics, averaged over the global batch, and the optimizer's.
        requests: the workers' requests, summed over all replicas, see `TrainingStep`.
    """

    loss: float
    learning_rate: float
    statistics: dict[str, float]
    requests: list[float]


class TrainingStep:
    """Runs one distributed training step. Each example is weighted by 1 / global batch size on every replica.

    If a batch has fewer images than there are replicas, every replica computes all of them with reduced weights.

    All metrics of a step are returned as one vector, so reading them takes a single device transfer.

    Args:
        strategy: the strategy in whose scope the network, objective, optimizer and average were created.
        network: callable from images to embeddings.
        objective: the losses.
        optimizer: updates the weights.
        average: moving average of the weights, updated after each step; None for no averaging.
        accumulate: number of gradient accumulation steps per replica. Each part is normalized by its own batch
            statistics; except for that and for losses that compare images of a batch, the result is unchanged.
        dropout: dropout rate on the embeddings.
        seed: seed of the dropout, which is a function of the seed and the step number.
        xla: whether to compile the step with XLA.
    """

    def __init__(
        self,
        strategy: Any,
        network: Any,
        objective: Objective,
        optimizer: Optimizer,
        *,
        average: ExponentialMovingAverage | None = None,
        accumulate: int = 1,
        dropout: float = 0.0,
        seed: int = 0,
        xla: bool = False,
    ) -> None:
        self._strategy = strategy
        self._network = network
        self._objective = objective
        self._optimizer = optimizer
        self._average = average
        self._accumulate = accumulate
        self._dropout = dropout
        self._seed = seed
        self._names: list[str] = []
        replica_step = tf.function(self._replica_step, jit_compile=True) if xla else self._replica_step

        # The function calls next() itself. If batches were arguments, each shape would trigger a trace, and an uneven
        # last batch with different shapes per worker would lead to different traces that deadlock.
        @tf.function
        def step(batches: Any, count: Any, requests: Any) -> Any:
            return strategy.reduce("SUM", strategy.run(replica_step, (next(batches), count, requests)), axis=None)

        self._step = step

    @property
    def variables(self) -> list[Any]:
        """The trained weights."""
        return [*self._network.trainable_variables, *self._objective.trainable_variables]

    @property
    def traces(self) -> int:
        """Number of times TensorFlow has traced the step."""
        return self._step.experimental_get_tracing_count()

    def __call__(self, batches: Any, count: int, requests: Sequence[float]) -> Any:
        """Starts one step.

        Args:
            batches: iterator from `strategies.share_batches` over (images, labels) or (images, labels, teacher).
            count: number of images in the next global batch.
            requests: numbers from this process; their sums over all replicas are returned with the metrics.

        Returns:
            A handle for `read`; the step may still be running.
        """
        return self._step(batches, tf.constant(count, tf.float32), tf.constant(requests, tf.float32))

    def read(self, result: Any) -> StepMetrics:
        """Waits for a step to finish and returns its metrics."""
        loss, learning_rate, *values = result.numpy().tolist()
        names = len(self._names)
        return StepMetrics(loss, learning_rate, dict(zip(self._names, values[:names], strict=True)), values[names:])

    def _replica_step(self, batch: Any, count: Any, requests: Any) -> Any:
        """Runs on every replica; returns this replica's contribution to each metric."""
        variables = self.variables
        gradients: list[Any] = []
        metrics: list[dict[str, Any]] = []
        replicas = self._strategy.num_replicas_in_sync
        share = 1 / tf.where(count < replicas, count * replicas, count)
        for part in range(self._accumulate):
            part_gradients, part_metrics = self._gradients(*self._slice_batch(batch, part), share, variables, part)
            gradients = _add(gradients, part_gradients)
            metrics.append(part_metrics)
        learning_rate = tf.cast(self._optimizer.learning_rate, tf.float32) / replicas
        update = self._optimizer.apply(gradients, variables)
        if self._average is not None:
            self._average.update()
        sums = {name: tf.add_n([part[name] for part in metrics]) for name in metrics[0]}
        sums.update({name: tf.cast(value, tf.float32) / replicas for name, value in update.items()})
        loss = sums.pop("loss")
        self._names = list(sums)
        return tf.concat([tf.stack([loss, learning_rate, *sums.values()]), requests], axis=0)

    def _slice_batch(self, batch: Any, part: int) -> tuple[Any, Any]:
        """Returns a part of a batch and the weight of each of its images.

        An empty part gets one image of weight 0, because batch normalization over zero images returns NaN.
        """
        if self._accumulate == 1:
            return batch, tf.ones(tf.shape(batch[1]))
        size = tf.shape(batch[1])[0]
        start, stop = size * part // self._accumulate, size * (part + 1) // self._accumulate
        cut = tf.nest.map_structure(lambda tensor: tensor[start : tf.maximum(stop, start + 1)], batch)
        return cut, tf.cast(tf.range(tf.shape(cut[1])[0]) < stop - start, tf.float32)

    def _gradients(
        self, batch: Any, weights: Any, share: Any, variables: Sequence[Any], part: int
    ) -> tuple[list[Any], Any]:
        images, labels, *teacher = batch
        with tf.GradientTape() as tape:
            embeddings = self._network(images, training=True)
            if self._dropout:
                embeddings = self._drop(embeddings, part)
            losses, statistics = self._objective.losses_and_statistics(
                embeddings, labels, teacher[0] if teacher else None, training=True
            )
            loss = tf.reduce_sum(losses * weights) * share
            scaled = self._optimizer.scale(loss)
        means = {name: tf.reduce_sum(values * weights) * share for name, values in statistics.items()}
        return tape.gradient(scaled, variables), {"loss": loss, **means}

    def _drop(self, embeddings: Any, part: int) -> Any:
        """Applies dropout seeded by the step number, so that a resumed run reproduces it."""
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        stream = replica * self._accumulate + part
        seed = tf.stack([self._optimizer.iterations, tf.constant(self._seed % 2**32, tf.int64) * 2**20 + stream])
        return tf.nn.experimental.stateless_dropout(embeddings, self._dropout, seed)


def _add(gradients: list[Any], more: list[Any]) -> list[Any]:
    """Adds gradients elementwise; None (the loss does not depend on the weight) stays None."""
    if not gradients:
        return more
    pairs = zip(gradients, more, strict=True)
    return [None if a is None else tf.convert_to_tensor(a) + tf.convert_to_tensor(b) for a, b in pairs]
