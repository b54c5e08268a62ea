"""Optimizers with per-variable weight decay, gradient clipping and loss scaling.

>>> from seesaw_keras.training.optimizers.optimizer import Optimizer, reference_weight_decay
>>> from seesaw_keras.training.optimizers.schedules import make_schedule
>>> schedule = make_schedule("step", peak=0.1, total_steps=1600, milestones=[800, 1200, 1400])
>>> optimizer = Optimizer("sgd", schedule, decays=reference_weight_decay(4e-5, 4e-4))
>>> with tf.GradientTape() as tape:  # doctest: +SKIP
...     loss = optimizer.scale(loss_of(model(images)))
>>> optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)  # doctest: +SKIP
{'gradient_norm': ..., 'applied': True}
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.choices import unknown_name
from seesaw_keras.training.optimizers.addons import import_addons
from seesaw_keras.training.optimizers.schedules import Schedule

__all__ = ["OPTIMIZERS", "Optimizer", "reference_weight_decay"]

OPTIMIZERS = ("sgd", "adamw", "lamb", "radam", "lookahead", "swa")

# Optimizers based on SGD, which add weight decay to the gradient as PyTorch does.
_COUPLED = ("sgd", "swa")
# Fraction of training after which SWA starts averaging: arXiv 1803.05407, section 4.1.
_SWA_START = 0.75
_INITIAL_LOSS_SCALE = 2.0**15
# Without an upper bound, all-zero gradients would let the scale grow to infinity permanently.
_MAX_LOSS_SCALE = 2.0**24
_GROWTH_STEPS = 2000


class Optimizer(tf.Module):
    """Optimizer with per-variable weight decay, clipping and loss scaling, for custom loops under any strategy.

    | name | algorithm | weight decay |
    | --- | --- | --- |
    | sgd | PyTorch's SGD with momentum: v = momentum * v + g; w -= learning_rate * v | g += decay * w |
    | adamw | Adam with decoupled weight decay (arXiv 1711.05101) | w -= learning_rate * decay * w |
    | lamb | LAMB (arXiv 1904.00962), from tensorflow-addons | as adamw, outside the trust ratio |
    | radam | RectifiedAdam (arXiv 1908.03265), from tensorflow-addons | as adamw |
    | lookahead | Lookahead (arXiv 1907.08610) from tensorflow-addons around radam ("Ranger") | as adamw |
    | swa | SWA (arXiv 1803.05407) from tensorflow-addons around sgd, over the last quarter of the steps | as sgd |

    A step with non-finite gradients leaves weights and moments unchanged and does not count as an iteration. With loss
    scaling, it halves the scale, which doubles again after 2,000 consecutive good steps (arXiv 1710.03740, section
    3.2); without loss scaling, the training loop should stop.

    All state is tracked by `tf.train.Checkpoint`. Create it under the strategy's scope, and call `build` there before
    the first checkpoint is written or read.

    Args:
        name: one of `OPTIMIZERS`.
        schedule: learning rate by iteration, from `make_schedule`.
        momentum: momentum of SGD, 0 or more.
        decays: callable from variable to its weight decay (see `reference_weight_decay`); None for no weight decay.
        clip_norm: maximum global norm of all gradients, above 0; None for no clipping.
        loss_scaling: whether `scale` scales the loss so that float16 gradients do not underflow.

    Raises:
        ValueError: if the optimizer is unknown, `clip_norm` is not above 0, or tensorflow-addons is required and not
            installed.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        *,
        momentum: float = 0.9,
        decays: Callable[[tf.Variable], float] | None = None,
        clip_norm: float | None = None,
        loss_scaling: bool = False,
    ) -> None:
        super().__init__(name="optimizer")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0, or None for no clipping, got {clip_norm}")
        self._schedule = schedule
        self._base = _make_base(name, schedule, momentum)
        self._averages = name == "swa"
        self._coupled = name in _COUPLED
        self._decays = decays
        self._clip_norm = clip_norm
        self._loss_scaling = loss_scaling
        if loss_scaling:
            self._loss_scale = _state_variable(_INITIAL_LOSS_SCALE, tf.float32, "loss_scale")
            self._good_steps = _state_variable(0, tf.int64, "good_steps")

    @property
    def iterations(self) -> tf.Variable:
        """Number of applied steps, int64."""
        return self._base.iterations

    @property
    def learning_rate(self) -> tf.Tensor:
        """The learning rate of the next step, a float32 scalar."""
        return self._schedule(self.iterations)

    @property
    def loss_scale(self) -> tf.Tensor:
        """The current loss scale, a float32 scalar; 1 without loss scaling."""
        return tf.identity(self._loss_scale) if self._loss_scaling else tf.ones([])

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Creates the slot variables, so that checkpoints save and restore all state.

        Args:
            variables: the variables that will be passed to `apply`.
        """
        self._base._create_all_weights(list(variables))

    def scale(self, loss: tf.Tensor) -> tf.Tensor:
        """Returns the scaled loss to differentiate; `apply` divides the gradients by the same factor."""
        return loss * tf.cast(self._loss_scale, loss.dtype) if self._loss_scaling else loss

    def apply(self, gradients: Sequence[Any], variables: Sequence[tf.Variable]) -> dict[str, tf.Tensor]:
        """Sums the gradients over all replicas and takes one step. Must be called in replica context.

        Args:
            gradients: gradients of this replica's share of the (scaled) loss, one per variable.
            variables: the weights, float32.

        Returns:
            gradient_norm, float32: the global norm over all replicas, before scaling, clipping and weight decay.
            applied, bool: whether the step was applied, that is, whether the norm is finite. Both are the same on all
            replicas.

        Raises:
            ValueError: if a variable has no gradient; the message names it.
        """
        missing = [variable.name for gradient, variable in zip(gradients, variables, strict=True) if gradient is None]
        if missing:
            raise ValueError(
                f"the loss does not depend on {', '.join(missing)}: leave them out, or freeze their layers"
            )
        with tf.init_scope():  # variables cannot be created inside tf.cond
            self.build(variables)
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(g) for g in gradients])
        if self._loss_scaling:
            gradients = [gradient / self._loss_scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self._clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)
        finite = tf.math.is_finite(norm)

        def step(strategy: tf.distribute.Strategy, finite: Any, gradients: Any) -> None:
            finite = strategy.experimental_local_results(finite)[0]
            # In cross-replica context, because a branch of tf.cond must not run collectives in replica context.
            tf.cond(finite, lambda: self._step(strategy, gradients, variables), lambda: None)
            if self._loss_scaling:
                self._update_loss_scale(finite)

        context.merge_call(step, args=(finite, gradients))
        return {"gradient_norm": norm, "applied": finite}

    def finalize_variable_values(self, variables: Sequence[tf.Variable]) -> None:
        """Assigns the final values to the variables; call it after training.

        For "swa" these are the averages, if averaging has started; other optimizers leave the variables unchanged.
        After averaging, the moving statistics of batch normalization must be recomputed (arXiv 1803.05407, section
        3.2).
        """
        if self._averages and self.iterations.numpy() > self._base._get_hyper("start_averaging"):
            self._base.assign_average_vars(variables)

    def _step(
        self, strategy: tf.distribute.Strategy, gradients: Sequence[Any], variables: Sequence[tf.Variable]
    ) -> None:
        """Applies weight decay and the step in cross-replica context; gradients are the same on all replicas."""
        decays = [self._decays(variable) if self._decays else 0.0 for variable in variables]
        if not self._coupled:
            rate = self.learning_rate
            for variable, decay in zip(variables, decays, strict=True):
                if decay:
                    strategy.extended.update(variable, _decay_variable, args=(rate * decay,), group=False)

        def apply(gradients: Sequence[tf.Tensor]) -> None:
            if self._coupled:
                gradients = [
                    gradient + decay * variable if decay else gradient
                    for gradient, decay, variable in zip(gradients, decays, variables, strict=True)
                ]
            self._base.apply_gradients(zip(gradients, variables, strict=True), experimental_aggregate_gradients=False)

        strategy.extended.call_for_each_replica(apply, args=(gradients,))

    def _update_loss_scale(self, finite: tf.Tensor) -> None:
        grows = finite & (self._good_steps + 1 >= _GROWTH_STEPS)
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self._loss_scale.assign(tf.clip_by_value(self._loss_scale * factor, 1.0, _MAX_LOSS_SCALE))
        self._good_steps.assign(tf.where(finite & ~grows, self._good_steps + 1, 0))


def reference_weight_decay(weight_decay: float, last_weight_decay: float) -> Callable[[tf.Variable], float]:
    """Returns the weight decay of the original code's groups (cvtower/seesawfacenet_pytorch, `separate_bn_paras`).

    0 for gamma and beta of batch normalization; `last_weight_decay` for the embedding layer and the class centers;
    `weight_decay` for everything else: kernels and, as in the original (src/Learner.py), PReLU slopes and biases.

    Args:
        weight_decay: 4e-5 in the original code.
        last_weight_decay: 4e-4 in the original code.

    Returns:
        A callable from variable to its weight decay, based on the variable's name.
    """

    def decay(variable: tf.Variable) -> float:
        *layers, weight = variable.name.split(":")[0].split("/")
        if weight in ("gamma", "beta"):
            return 0.0
        return last_weight_decay if weight == "centers" or "embedding_conv" in layers else weight_decay

    return decay


def _make_base(name: str, schedule: Schedule, momentum: float) -> Any:
    """Creates the base optimizer, with the legacy Keras API that tensorflow-addons requires."""
    if name not in OPTIMIZERS:
        raise ValueError(unknown_name("optimizer", name, list(OPTIMIZERS)))
    if name == "sgd":
        return _SGD(schedule, momentum)
    if name == "adamw":
        return keras.optimizers.legacy.Adam(schedule)
    library = import_addons().optimizers
    if name == "swa":
        return library.SWA(_SGD(schedule, momentum), start_averaging=int(_SWA_START * schedule.total_steps))
    if name == "lookahead":
        return library.Lookahead(library.RectifiedAdam(schedule))
    return {"lamb": library.LAMB, "radam": library.RectifiedAdam}[name](schedule)


class _SGD(keras.optimizers.legacy.SGD):
    """SGD with PyTorch's momentum, which accumulates gradients rather than updates.

    Keras' momentum accumulates updates scaled by the learning rate, so after a milestone it continues at the old
    learning rate for a while.
    """

    def _resource_apply_dense(self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None) -> tf.Operation:
        if not self._momentum:
            return super()._resource_apply_dense(grad, var, apply_state=apply_state)
        key = (var.device, var.dtype.base_dtype)
        coefficients = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        return tf.raw_ops.ResourceApplyMomentum(
            var=var.handle,
            accum=self.get_slot(var, "momentum").handle,
            lr=coefficients["lr_t"],
            grad=grad,
            momentum=coefficients["momentum"],
            use_locking=self._use_locking,
        )


def _decay_variable(variable: tf.Variable, share: tf.Tensor) -> tf.Operation:
    return variable.assign_sub(share * variable)


def _state_variable(value: float, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(
        value, trainable=False, dtype=dtype, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
    )
