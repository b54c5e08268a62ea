"""Exponential moving average (EMA) of a network's weights, which often verifies better than the last weights.

>>> from seesaw_keras.training.optimizers.ema import ExponentialMovingAverage
>>> average = ExponentialMovingAverage(model.variables, decay=0.999)  # doctest: +SKIP
>>> average.update()  # after every step  # doctest: +SKIP
>>> with average.swapped():  # doctest: +SKIP
...     embeddings = model.predict(images)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage(tf.Module):
    """Moving averages of variables: trainable weights and moving statistics alike, so that they stay consistent.

    The averages start at the variables' values. Update number t, from 0, is
    average += (1 - min(decay, (1 + t) / (10 + t))) * (variable - average), as in `tf.train.ExponentialMovingAverage`:
    the initial values of the untrained network decay quickly. Integer variables are copied.

    Under a strategy, create it in the strategy's scope. Each average is placed on the device of its variable, so an
    update needs no communication. All state is tracked by `tf.train.Checkpoint`.

    Args:
        variables: the network's variables.
        decay: decay rate, above 0 and below 1; the averaging window is about 1 / (1 - decay) updates.

    Raises:
        ValueError: if `decay` is out of range.
    """

    def __init__(self, variables: Sequence[tf.Variable], decay: float) -> None:
        super().__init__(name="weight_average")
        if not 0 < decay < 1:
            raise ValueError(f"decay must be above 0 and below 1, got {decay}")
        self._decay = decay
        self._strategy = tf.distribute.get_strategy()
        self._originals = list(variables)
        self._averages = [
            tf.Variable(
                tf.identity(variable),
                trainable=False,
                synchronization=variable.synchronization,
                aggregation=variable.aggregation,
                name="average",
            )
            for variable in variables
        ]
        self._updates = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            name="updates",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def update(self) -> None:
        """Updates the averages with the variables' current values; works in replica and cross-replica context."""
        context = tf.distribute.get_replica_context()
        if context is None:
            self._update(tf.distribute.get_strategy())
        else:
            context.merge_call(self._update)

    def assign_to(self, variables: Sequence[tf.Variable]) -> None:
        """Copies the averages into other variables of the same shapes and order.

        Raises:
            ValueError: if the number of variables or a shape differs.
        """
        expected = [tuple(average.shape) for average in self._averages]
        given = [tuple(variable.shape) for variable in variables]
        if given != expected:
            raise ValueError(
                f"variables do not match the averages: {len(expected)} expected, {len(given)} given, or shapes differ"
            )
        for variable, average in zip(variables, self._averages, strict=True):
            variable.assign(tf.identity(average))

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Context manager in which the variables hold their averages; restores the exact previous values on exit.

        Use it outside `tf.function`, and do not write a checkpoint inside the context.
        """
        pairs = [
            pair
            for variable, average in zip(self._originals, self._averages, strict=True)
            for pair in zip(self._components(variable), self._components(average), strict=True)
        ]
        held = [variable.read_value() for variable, _ in pairs]
        try:
            for variable, average in pairs:
                variable.assign(average.read_value())
            yield
        finally:
            for (variable, _), value in zip(pairs, held, strict=True):
                variable.assign(value)

    def _components(self, variable: tf.Variable) -> tuple[tf.Variable, ...]:
        """Returns the copies on this process's replicas; moving statistics may differ between replicas."""
        return self._strategy.experimental_local_results(variable)

    def _update(self, strategy: tf.distribute.Strategy) -> None:
        updates = tf.cast(self._updates, tf.float32)
        share = 1.0 - tf.minimum(self._decay, (1.0 + updates) / (10.0 + updates))
        for average, variable in zip(self._averages, self._originals, strict=True):
            strategy.extended.update(average, _update_average, args=(variable, share), group=False)
        self._updates.assign_add(1)


def _update_average(average: tf.Variable, variable: tf.Variable, share: tf.Tensor) -> tf.Operation:
    if average.dtype.is_floating:
        return average.assign_add(tf.cast(share, average.dtype) * (variable - average))
    return average.assign(variable)
