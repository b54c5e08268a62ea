"""Learning rates as pure functions of the step.

>>> from seesaw_keras.training.optimizers.schedules import make_schedule
>>> schedule = make_schedule("step", peak=0.1, total_steps=1600, milestones=[800, 1200, 1400])
>>> [round(float(schedule(step)), 6) for step in (0, 799, 800, 1200, 1599)]
[0.1, 0.1, 0.01, 0.001, 0.0001]
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.choices import unknown_name

__all__ = ["Schedule", "make_schedule"]

Kind = Literal["step", "cosine", "polynomial", "constant"]


def make_schedule(
    kind: Kind,
    *,
    peak: float,
    total_steps: int,
    warmup_steps: int = 0,
    milestones: Sequence[int] = (),
    decay: float = 0.1,
    power: float = 1.0,
    final: float = 0.0,
) -> "Schedule":
    """Creates a learning-rate schedule.

    The learning rate rises linearly from 0 at step 0 to `peak` at step `warmup_steps`. After that, with t going
    linearly from 0 at `warmup_steps` to 1 at `total_steps` and staying at 1, it is:

    | kind | learning rate |
    | --- | --- |
    | constant | peak |
    | step | peak * decay ^ (number of milestones at or before the step) |
    | cosine | final + (peak - final) * (1 + cos(pi t)) / 2 (arXiv 1608.03983, without restarts) |
    | polynomial | final + (peak - final) * (1 - t) ^ power; power 1 is what arcface_torch uses |

    Milestones are counted from step 0, including warm-up.

    Args:
        kind: one of the kinds above.
        peak: peak learning rate, above 0.
        total_steps: number of training steps, above `warmup_steps`.
        warmup_steps: number of warm-up steps, 0 or more.
        milestones: increasing steps at which the learning rate is multiplied by `decay`.
        decay: decay factor, above 0.
        power: exponent of "polynomial", above 0.
        final: final learning rate of "cosine" and "polynomial", 0 or more.

    Raises:
        ValueError: if an argument is invalid.
    """
    if kind not in get_args(Kind):
        raise ValueError(unknown_name("schedule", kind, get_args(Kind)))
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"a schedule needs 0 <= warmup_steps < total_steps, got {warmup_steps} and {total_steps}")
    if not (peak > 0 and decay > 0 and power > 0 and final >= 0):
        raise ValueError(
            "a schedule needs peak, decay and power above 0 and final 0 or more, got "
            f"peak={peak}, decay={decay}, power={power}, final={final}"
        )
    if list(milestones) != sorted(set(milestones)):
        raise ValueError(f"milestones must be increasing, got {list(milestones)}")
    return Schedule(
        kind,
        peak=peak,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        milestones=milestones,
        decay=decay,
        power=power,
        final=final,
    )


@keras.utils.register_keras_serializable(package="seesaw_keras")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning-rate schedule from `make_schedule`; maps a step (int or integer tensor) to a float32 scalar.

    Attributes:
        total_steps: number of training steps.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        peak: float,
        total_steps: int,
        warmup_steps: int,
        milestones: Sequence[int],
        decay: float,
        power: float,
        final: float,
    ) -> None:
        self.kind = kind
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.milestones = tuple(milestones)
        self.decay = decay
        self.power = power
        self.final = final

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the learning rate of a step; the first is step 0."""
        # float32 cannot represent large step numbers exactly, which would make the cosine inaccurate.
        step = tf.cast(step, tf.float64)
        rate = self.peak * self._factor(step)
        if self.warmup_steps:
            rate *= tf.minimum(step / self.warmup_steps, 1.0)
        return tf.cast(rate, tf.float32)

    def _factor(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate after warm-up as a fraction of the peak."""
        if self.kind == "constant":
            return tf.ones_like(step)
        if self.kind == "step":
            passed = [tf.cast(step >= milestone, tf.float64) for milestone in self.milestones]
            return tf.constant(self.decay, tf.float64) ** tf.add_n([tf.zeros_like(step), *passed])
        t = tf.clip_by_value((step - self.warmup_steps) / (self.total_steps - self.warmup_steps), 0.0, 1.0)
        fall = (
            (1.0 + tf.cos(tf.constant(math.pi, tf.float64) * t)) / 2.0
            if self.kind == "cosine"
            else (1.0 - t) ** self.power
        )
        final = self.final / self.peak
        return final + (1.0 - final) * fall

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {
            "kind": self.kind,
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "milestones": list(self.milestones),
            "decay": self.decay,
            "power": self.power,
            "final": self.final,
        }
