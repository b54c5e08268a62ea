"""Optimizers, learning-rate schedules and the exponential moving average of weights."""

__all__: list[str] = []
