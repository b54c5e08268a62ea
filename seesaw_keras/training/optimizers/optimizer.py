"""The optimizers, and what happens to gradients on their way to the weights.

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
from seesaw_keras.training.optimizers.addons import import_addons
from seesaw_keras.training.optimizers.schedules import Schedule

__all__ = ["OPTIMIZERS", "Optimizer", "reference_weight_decay"]

OPTIMIZERS = ("sgd", "adamw", "lamb", "radam", "lookahead", "swa")

# Those that train by SGD, whose weight decay is PyTorch's: a part of the gradient.
_COUPLED = ("sgd", "swa")
# Where SWA starts to average, as a share of the training: arXiv 1803.05407, section 4.1.
_SWA_START = 0.75
_INITIAL_LOSS_SCALE = 2.0**15
# Without a bound, gradients that are all zero would let the scale grow until it is infinite, for good.
_MAX_LOSS_SCALE = 2.0**24
_GROWTH_STEPS = 2000


class Optimizer(tf.Module):
    """An optimizer with weight decay a variable, clipping and loss scaling, for custom loops under any strategy.

    | name | is | weight decay |
    | --- | --- | --- |
    | sgd | PyTorch's SGD with momentum: v = momentum * v + g; w -= learning_rate * v | g += decay * w |
    | adamw | Adam with decoupled weight decay (arXiv 1711.05101) | w -= learning_rate * decay * w |
    | lamb | LAMB (arXiv 1904.00962), of tensorflow-addons | as adamw, outside the trust ratio |
    | radam | RectifiedAdam (arXiv 1908.03265), of tensorflow-addons | as adamw |
    | lookahead | Lookahead (arXiv 1907.08610) of tensorflow-addons around radam ("Ranger") | as adamw |
    | swa | SWA (arXiv 1803.05407) of tensorflow-addons around sgd, over the last quarter of the steps | as sgd |

    A step whose gradients are not all finite changes no weight and no moment, and counts as no iteration. With loss
    scaling it halves the scale, which doubles again after 2,000 good steps in a row (arXiv 1710.03740, section 3.2);
    without, the loop had better stop.

    All state is tracked by `tf.train.Checkpoint`. Create it under the strategy's scope, and call `build` there before
    the first checkpoint is written or read.

    Args:
        name: one of `OPTIMIZERS`.
        schedule: learning rate by iteration, from `make_schedule`.
        momentum: of SGD, 0 or more.
        decays: variable -> its weight decay, 0 for none (see `reference_weight_decay`); None for no decay at all.
        clip_norm: bound of the global norm of all gradients together, above 0; None for none.
        loss_scaling: whether `scale` multiplies the loss so that float16 gradients do not underflow.

    Raises:
        ValueError: if there is no such optimizer, `clip_norm` is not above 0, or tensorflow-addons is wanted and not
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
            self._loss_scale = _state(_INITIAL_LOSS_SCALE, tf.float32, "loss_scale")
            self._good_steps = _state(0, tf.int64, "good_steps")

    @property
    def iterations(self) -> tf.Variable:
        """How many steps were applied, int64."""
        return self._base.iterations

    @property
    def learning_rate(self) -> tf.Tensor:
        """The learning rate of the next step, a float32 scalar."""
        return self._schedule(self.iterations)

    @property
    def loss_scale(self) -> tf.Tensor:
        """What `scale` multiplies by, a float32 scalar; 1 without loss scaling."""
        return tf.identity(self._loss_scale) if self._loss_scaling else tf.ones([])

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Creates the moments of these variables; afterwards a checkpoint holds, and restores, all state.

        Args:
            variables: those that `apply` will get.
        """
        self._base._create_all_weights(list(variables))

    def scale(self, loss: tf.Tensor) -> tf.Tensor:
        """Returns the loss to differentiate; `apply` divides its gradients by the same factor."""
        return loss * tf.cast(self._loss_scale, loss.dtype) if self._loss_scaling else loss

    def apply(self, gradients: Sequence[Any], variables: Sequence[tf.Variable]) -> dict[str, tf.Tensor]:
        """Adds up the gradients of all replicas and takes one step. To be called in replica context.

        Args:
            gradients: of this replica's share of the (scaled) loss, one a variable.
            variables: the weights, float32.

        Returns:
            gradient_norm, float32: the global norm over all replicas, before scaling, clipping and weight decay.
            applied, bool: whether the step was taken, that is, whether the norm is finite. Both are the same on all
            replicas.

        Raises:
            ValueError: if a variable has no gradient; the message names it.
        """
        missing = [variable.name for gradient, variable in zip(gradients, variables, strict=True) if gradient is None]
        if missing:
            raise ValueError(
                f"the loss does not depend on {', '.join(missing)}: leave them out, or freeze their layers"
            )
        with tf.init_scope():  # variables cannot be created within tf.cond
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
            # In cross-replica context: within a replica, no branch of a tf.cond may talk to the other replicas.
            tf.cond(finite, lambda: self._step(strategy, gradients, variables), lambda: None)
            if self._loss_scaling:
                self._update_loss_scale(finite)

        context.merge_call(step, args=(finite, gradients))
        return {"gradient_norm": norm, "applied": finite}

    def finalize_variable_values(self, variables: Sequence[tf.Variable]) -> None:
        """Puts into the variables what the optimizer holds to be their final values; to be called after training.

        That is the average for "swa", as far as averaging has begun; the others change nothing. Averaged weights want
        the moving statistics of batch normalization measured anew (arXiv 1803.05407, section 3.2).
        """
        if self._averages and self.iterations.numpy() > self._base._get_hyper("start_averaging"):
            self._base.assign_average_vars(variables)

    def _step(
        self, strategy: tf.distribute.Strategy, gradients: Sequence[Any], variables: Sequence[tf.Variable]
    ) -> None:
        """Weight decay and the step itself, in cross-replica context; the gradients are the same on all replicas."""
        decays = [self._decays(variable) if self._decays else 0.0 for variable in variables]
        if not self._coupled:
            rate = self.learning_rate
            for variable, decay in zip(variables, decays, strict=True):
                if decay:
                    strategy.extended.update(variable, _shrink, args=(rate * decay,), group=False)

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
    """The parameter groups of the reference (cvtower/seesawfacenet_pytorch, src/Learner.py and `separate_bn_paras`).

    None for gamma and beta of batch normalization; `last_weight_decay` for the embedding layer and the class centers;
    `weight_decay` for everything else: kernels, and, as there, PReLU slopes and biases too.

    Args:
        weight_decay: 4e-5 in the reference.
        last_weight_decay: 4e-4 in the reference.

    Returns:
        Variable -> its weight decay, by its name.
    """

    def decay(variable: tf.Variable) -> float:
        *layers, weight = variable.name.split(":")[0].split("/")
        if weight in ("gamma", "beta"):
            return 0.0
        return last_weight_decay if weight == "centers" or "embedding_conv" in layers else weight_decay

    return decay


def _make_base(name: str, schedule: Schedule, momentum: float) -> Any:
    """The optimizer proper, of Keras' older interface: tensorflow-addons knows no other."""
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}: choose one of {', '.join(OPTIMIZERS)}")
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
    """SGD as PyTorch has it: the momentum holds gradients, not steps.

    Keras' own momentum holds steps, so that for a while after a milestone it goes on at the old learning rate.
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


def _shrink(variable: tf.Variable, share: tf.Tensor) -> tf.Operation:
    return variable.assign_sub(share * variable)


def _state(value: float, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(
        value, trainable=False, dtype=dtype, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
    )
