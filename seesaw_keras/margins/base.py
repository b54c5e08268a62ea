"""Base class of all margins: class centers, cosines, Partial FC, scale. Subclasses only override `apply_margin`.

>>> from seesaw_keras.api import keras
>>> from seesaw_keras.margins.base import Margin
>>> class Harder(Margin):
...     def apply_margin(self, cosines):
...         return cosines.target - self.m, cosines.all
>>> logits = Harder(1000, s=30.0, m=0.2)([embeddings, labels], training=True)  # doctest: +SKIP
"""

import math
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.margins.angles import l2_norms, normalize
from seesaw_keras.margins.partial_fc import sample_classes

__all__ = ["Cosines", "Margin", "MarginOutput"]

_EXCLUDED_LOGIT = -1e9  # logit whose softmax contribution is exactly 0 in float32


class Cosines(NamedTuple):
    """Inputs of `Margin.apply_margin`; all float32, k is the number of classes in the softmax.

    Attributes:
        target: (n,) cosine of each embedding with its own class center, in [-1, 1].
        all: (n, k) cosines with all centers; may exceed 1 by about 1e-7 due to rounding.
        is_target: (n, k) bool, True at each example's own class.
        norms: (n,) L2 norms of the embeddings.
        training: whether to update running statistics.
    """

    target: Any
    all: Any
    is_target: Any
    norms: Any
    training: bool


class MarginOutput(NamedTuple):
    """Output of `Margin.forward`; k is the number of classes in the softmax.

    Attributes:
        logits: (n, k) float32.
        labels: (n,) int32 in [0, k): the column of each example's own class.
        target_cosine: (n,) float32 in [-1, 1], cosine with the own class center, before the margin.
        other_cosine: (n,) float32 in [-1, 1], the largest cosine with another class center.
        regularizer: (n,) float32 to add to the loss of each example, or None.
    """

    logits: Any
    labels: Any
    target_cosine: Any
    other_cosine: Any
    regularizer: Any


class Margin(keras.layers.Layer):
    """Base class of layers from [embeddings, labels] to logits for a softmax cross-entropy over the classes.

    The embeddings are (n, embedding_size) of any float dtype, not necessarily normalized; the labels are (n,) or (n, 1)
    integers in [0, num_classes). Everything is computed in float32 under any mixed-precision policy. The margin is also
    applied in evaluation, so the loss is comparable, and an example counts as correct only if it is correct with the
    margin.

    With `sample_rate` below 1 (Partial FC), each training step uses that fraction of the classes: the other columns of
    the logits are -1e9, and `forward` omits them. Evaluation uses all classes.

    Attributes:
        default_s: default scale; None if the margin computes it.
        default_m: default margin.
        m_range: minimum and maximum valid m.
        needs_norm: whether the margin depends on the embedding norms.
        centers: (embedding_size, num_classes) float32, created when the layer is built; not necessarily normalized.
            Under a strategy, every replica holds all of them.

    Raises:
        ValueError: if an argument is out of range.
    """

    default_s: ClassVar[float | None] = 64.0
    default_m: ClassVar[float] = 0.5
    m_range: ClassVar[tuple[float, float]] = (0.0, math.pi)
    needs_norm: ClassVar[bool] = False

    def __init__(
        self,
        num_classes: int,
        s: float | None = None,
        m: float | None = None,
        sample_rate: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Initializes the layer.

        Args:
            num_classes: number of classes, 2 or more.
            s: scale of the logits; None for `default_s`.
            m: margin; None for `default_m`.
            sample_rate: fraction of the classes in a training step's softmax, above 0 and at most 1.
            seed: seed of the class sampling.
            **kwargs: keyword arguments of `keras.layers.Layer`; `dtype` is overridden with float32.
        """
        super().__init__(**{**kwargs, "dtype": "float32"})
        kind, (least, greatest) = type(self).__name__, self.m_range
        self.num_classes = num_classes
        self.s = self.default_s if s is None else s
        self.m = self.default_m if m is None else m
        self.sample_rate = sample_rate
        self.seed = seed
        if num_classes < 2:
            raise ValueError(f"{kind}: num_classes must be 2 or more, got {num_classes}")
        if self.s is not None and not 0 < self.s < float("inf"):
            raise ValueError(f"{kind}: s must be a positive number, got {s}")
        if not least <= self.m <= greatest:
            allowed = f"from {least:g} to {greatest:g}" if least < greatest else f"{least:g}, since it has no margin"
            raise ValueError(f"{kind}: m must be {allowed}, got {m}")
        if not 0 < sample_rate <= 1:
            raise ValueError(f"{kind}: sample_rate must be above 0 and at most 1, got {sample_rate}")

    def apply_margin(self, cosines: Cosines) -> tuple[Any, Any]:
        """Applies the margin; the method to override in subclasses.

        Args:
            cosines: see `Cosines`.

        Returns:
            Logits of the own class, (n,), and of all classes, (n, k), both before scaling; the entries of the own class
            in the second are ignored.
        """
        raise NotImplementedError

    def regularizer(self, norms: Any) -> Any:
        """Returns the term to add to each example's loss, (n,), or None, given the embedding norms, (n,)."""
        return None

    @property
    def scale(self) -> Any:
        """Scale of the logits, read after `apply_margin`."""
        return self.s

    def centers_shape(self, embedding_size: int) -> tuple[int, ...]:
        """Returns the shape of the centers; the second axis is the class axis."""
        return (embedding_size, self.num_classes)

    def class_cosines(self, unit: Any, centers: Any) -> Any:
        """Computes the cosines between embeddings and classes.

        Args:
            unit: (n, embedding_size) L2-normalized embeddings.
            centers: the centers of k classes, in the layout of `centers_shape`.

        Returns:
            Cosines (n, k).
        """
        # Scale the products instead of the centers: a batch has fewer rows than an embedding has entries.
        return tf.matmul(unit, centers) * l2_norms(centers, axis=0)[1]

    def build(self, input_shape: Any) -> None:
        """Creates the centers; `input_shape` is the embeddings' shape, or the shapes of embeddings and labels."""
        shape = tuple(input_shape[0] if isinstance(input_shape[0], tuple | list | tf.TensorShape) else input_shape)
        if len(shape) != 2 or shape[1] is None:
            raise ValueError(f"{self.name}: the embeddings must be (batch, embedding_size), got shape {shape}")
        # Norms of about 1, as in the original code: with weight decay, the norm determines how fast a center rotates.
        initial = keras.initializers.RandomNormal(stddev=shape[1] ** -0.5)
        self.centers = self.add_weight(name="centers", shape=self.centers_shape(shape[1]), initializer=initial)
        if self.sample_rate < 1:
            self._step = self.add_state("step", 0, dtype="int64", aggregation="only_first_replica")
        super().build(input_shape)

    def add_state(self, name: str, value: float, dtype: str = "float32", aggregation: str = "mean") -> Any:
        """Creates a running statistic, a scalar synchronized like the moving statistics of batch normalization.

        Each replica updates its own copy from its part of the batch; reading a single value (checkpoints, evaluation)
        returns their mean.
        """
        return self.add_weight(
            name=name,
            shape=(),
            dtype=dtype,
            initializer=keras.initializers.Constant(value),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation[aggregation.upper()],
        )

    def update_state(self, state: Any, value: Any, examples: Any) -> None:
        """Assigns `value` to a state from `add_state`, unless `examples` (n, ...) is empty, as on an idle replica."""
        state.assign(tf.where(tf.shape(examples)[0] > 0, tf.stop_gradient(value), state))

    def forward(self, embeddings: Any, labels: Any, training: bool = False) -> MarginOutput:
        """Computes the logits and statistics, for custom training loops.

        Args:
            embeddings: (n, embedding_size) of any float dtype.
            labels: (n,) or (n, 1) integers in [0, num_classes).
            training: whether to sample classes (if `sample_rate` is below 1) and update statistics.

        Returns:
            See `MarginOutput`.
        """
        if not self.built:
            self.build(embeddings.shape)
        return self._forward(embeddings, labels, training)[0]

    def _forward(self, embeddings: Any, labels: Any, training: bool | None) -> tuple[MarginOutput, Any]:
        """Returns the output of `forward` and the class of each column, (k,), or None for all classes."""
        labels = tf.reshape(tf.cast(labels, tf.int32), (-1,))
        unit, norms = normalize(tf.cast(embeddings, tf.float32), axis=-1)
        norms = tf.squeeze(norms, -1)
        centers, classes = tf.convert_to_tensor(self.centers), None
        if training and self.sample_rate < 1:
            seed = tf.stack([tf.constant(self.seed, tf.int64), self._step.read_value()])
            classes, labels = sample_classes(labels, self.num_classes, self.sample_rate, seed)
            centers = tf.gather(centers, classes, axis=1)
            self._step.assign_add(1)
        cosines = self.class_cosines(unit, centers)
        is_target = tf.one_hot(labels, tf.shape(cosines)[1], on_value=True, off_value=False, dtype=tf.bool)
        target = tf.clip_by_value(tf.gather(cosines, labels, batch_dims=1), -1.0, 1.0)
        own, others = self.apply_margin(Cosines(target, cosines, is_target, norms, bool(training)))
        logits = tf.where(is_target, own[:, None], others) * self.scale
        nearest = tf.clip_by_value(tf.reduce_max(tf.where(is_target, -1.0, cosines), axis=1), -1.0, 1.0)
        return MarginOutput(logits, labels, target, nearest, self.regularizer(norms)), classes

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the logits.

        Args:
            inputs: embeddings and labels, as for `forward`.
            training: as for `forward`.

        Returns:
            Logits (n, num_classes), float32. A regularizer is added to the layer's losses, averaged over the batch.
        """
        embeddings, labels = inputs
        output, classes = self._forward(embeddings, labels, training)
        if output.regularizer is not None:
            count = tf.cast(tf.size(output.regularizer), tf.float32)
            self.add_loss(tf.math.divide_no_nan(tf.reduce_sum(output.regularizer), count))
        if classes is None:
            return output.logits
        columns = tf.scatter_nd(classes[:, None], tf.range(1, tf.size(classes) + 1), (self.num_classes,))
        absent = tf.fill((tf.shape(output.logits)[0], 1), _EXCLUDED_LOGIT)
        return tf.gather(tf.concat([absent, output.logits], axis=1), columns, axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """Returns (n, num_classes)."""
        return (input_shape[0][0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        names = ("num_classes", "s", "m", "sample_rate", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
