"""`with_margin()`: from a network that embeds to a model that plain `compile` and `fit` train.

>>> import seesaw_keras
>>> from seesaw_keras.api import keras
>>> from seesaw_keras.margins import with_margin
>>> network = seesaw_keras.build("shuffle")
>>> trained = with_margin(network, num_classes=1000, margin="arcface", s=64.0, m=0.5)
>>> trained.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
>>> trained.fit([images, labels], labels)  # doctest: +SKIP
"""

from typing import Any

from seesaw_keras.api import keras
from seesaw_keras.margins.registry import make_margin

__all__ = ["with_margin"]


def with_margin(
    model: Any,
    num_classes: int,
    margin: str = "arcface",
    s: float | None = None,
    m: float | None = None,
    sample_rate: float = 1.0,
    **kwargs: Any,
) -> Any:
    """Puts a margin behind a network.

    Train the result on ([image, label], label) with `SparseCategoricalCrossentropy(from_logits=True)`, under any
    `tf.distribute` strategy if both are made in its scope. It shares its weights with `model`, which is what is left to
    embed with after training.

    Args:
        model: a functional model with one input and one output, (batch, embedding_size), whether or not its last layer
            is a `UnitNormalization`.
        num_classes: people in the training data.
        margin: one of `list_margins()`.
        s: scale of the logits; None for the published one (ArcFace: 64).
        m: the margin; None for the published one (ArcFace: 0.5).
        sample_rate: share of the classes in a step's softmax (Partial FC), above 0 and at most 1.
        **kwargs: what else the margin takes.

    Returns:
        A `keras.Model` from (image, label) to logits, (batch, num_classes) float32; its inputs are named as the
        network's and `label`.

    Raises:
        ValueError: if the model does not fit, the margin is unknown, or an argument is out of its range.
    """
    layer = make_margin(margin, num_classes, s=s, m=m, sample_rate=sample_rate, name=margin, **kwargs)
    label = keras.Input((), dtype="int32", name="label")
    logits = layer([_embedding(model, layer), label])
    return keras.Model([model.inputs[0], label], logits, name=f"{model.name}_{margin}")


def _embedding(model: Any, margin: Any) -> Any:
    """The network's embedding before unit normalization: the margin normalizes by itself."""
    outputs = getattr(model, "outputs", None)
    if not outputs or len(outputs) != 1 or len(model.inputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError("with_margin wants a functional model with one input and one output, (batch, embedding_size)")
    last = model.get_layer(model.output_names[0])
    if isinstance(last, keras.layers.UnitNormalization):
        return last.input
    if margin.needs_length and (isinstance(last, keras.Model) or "Lambda" in type(last).__name__):
        raise ValueError(
            f"{margin.name} looks at the length of the embeddings, and whether they still have theirs after "
            f"{last.name!r} ({type(last).__name__}) cannot be told: let the model end before they are normalized, or "
            "in a UnitNormalization"
        )
    return outputs[0]
