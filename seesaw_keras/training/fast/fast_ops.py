"""Activations for training, compiled by XLA into a single pass over memory in each direction.

TensorFlow's x * sigmoid(x) and its gradient are six operators that each read and write whole feature maps.
`benchmarks/training.py --profile shuffle` shows the cost.

>>> import tensorflow as tf
>>> from seesaw_keras.models.layers import Swish
>>> y = activate(Swish, tf.random.normal((2, 4, 4, 8)))
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from seesaw_keras.models.layers import HardSwish, Swish

__all__ = ["COMPILED", "activate", "activate_and_gate"]

# The activations that benefit; ReLU is a single pass already, and PReLU has trainable slopes.
COMPILED = (Swish, HardSwish)


def activate(kind: Any, x: Any) -> Any:
    """Applies an activation.

    Args:
        kind: one of `COMPILED`.
        x: tensor of any shape and floating dtype; computed in float32.

    Returns:
        A tensor with the shape and dtype of `x`.
    """
    forward, backward = _compiled(kind)

    @tf.custom_gradient
    def function(x: Any) -> Any:
        return forward(x), lambda dy: backward(x, dy)

    return function(x)


def activate_and_gate(kind: Any, x: Any, gate: Callable[[Any], Any]) -> Any:
    """Applies an activation, then scales its channels by a function of their means (squeeze-excite).

    Args:
        kind: one of `COMPILED`.
        x: (batch, height, width, channels).
        gate: callable from the means over height and width to the factors, both (batch, 1, 1, channels).

    Returns:
        activation(x) * gate(mean of activation(x)), with the shape and dtype of `x`.
    """
    forward, backward = _compiled(kind)

    @tf.custom_gradient
    def function(x: Any) -> Any:
        y = forward(x)
        mean = _mean(y)
        with tf.GradientTape() as tape:
            tape.watch(mean)
            factors = gate(mean)

        def gradient(dy: Any, variables: Any = ()) -> Any:
            dfactors = tf.reduce_sum(dy * y, (1, 2), keepdims=True)
            dmean, *dvariables = tape.gradient(factors, [mean, *variables], dfactors)
            return backward(x, dy, factors, dmean), dvariables

        return _scale(y, factors), gradient

    return function(x)


@functools.cache
def _compiled(kind: Any) -> tuple[Any, Any]:
    """Returns the compiled activation and its compiled gradient."""
    formula = kind(dtype="float32").call

    @tf.function(jit_compile=True)
    def forward(x: Any) -> Any:
        return tf.cast(formula(tf.cast(x, tf.float32)), x.dtype)

    @tf.function(jit_compile=True)
    def backward(x: Any, dy: Any, factors: Any = None, dmean: Any = None) -> Any:
        """Returns the gradient with respect to x, given those of the scaled activation and of its mean."""
        wide, dy = tf.cast(x, tf.float32), tf.cast(dy, tf.float32)
        if factors is not None:
            height, width = x.shape[1:3]
            dy = dy * tf.cast(factors, tf.float32) + tf.cast(dmean, tf.float32) / (height * width)
        with tf.GradientTape() as tape:
            tape.watch(wide)
            y = formula(wide)
        return tf.cast(tape.gradient(y, wide, dy), x.dtype)

    return forward, backward


@tf.function(jit_compile=True)
def _mean(x: Any) -> Any:
    return tf.reduce_mean(x, (1, 2), keepdims=True)


@tf.function(jit_compile=True)
def _scale(x: Any, factors: Any) -> Any:
    return x * factors
