"""`with_margin()`: adds a margin to an embedding network for training with Keras `compile` and `fit`.

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
    """Appends a margin to an embedding network.

    Train the result on ([image, label], label) with `SparseCategoricalCrossentropy(from_logits=True)`, under any
    `tf.distribute` strategy if both models are created in its scope. It shares its weights with `model`; use `model`
    for inference after training.

    Args:
        model: a functional model with one input and one output, (batch, embedding_size), with or without a final
            `UnitNormalization`.
        num_classes: number of identities in the training data.
        margin: one of `list_margins()`.
        s: scale of the logits; None for the published value (ArcFace: 64).
        m: margin; None for the published value (ArcFace: 0.5).
        sample_rate: fraction of the classes in a step's softmax (Partial FC), above 0 and at most 1.
        **kwargs: further arguments of the margin.

    Returns:
        A `keras.Model` from (image, label) to logits, (batch, num_classes) float32. The inputs have the name of the
        network's input and `label`.

    Raises:
        ValueError: if the model is not supported, the margin is unknown, or an argument is out of range.
    """
    layer = make_margin(margin, num_classes, s=s, m=m, sample_rate=sample_rate, name=margin, **kwargs)
    label = keras.Input((), dtype="int32", name="label")
    logits = layer([_embedding(model, layer), label])
    return keras.Model([model.inputs[0], label], logits, name=f"{model.name}_{margin}")


def _embedding(model: Any, margin: Any) -> Any:
    """Returns the network's embedding before normalization; the margin normalizes it."""
    outputs = getattr(model, "outputs", None)
    if not outputs or len(outputs) != 1 or len(model.inputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError(
            "with_margin requires a functional model with one input and one output, (batch, embedding_size)"
        )
    last = model.get_layer(model.output_names[0])
    if isinstance(last, keras.layers.UnitNormalization):
        return last.input
    if margin.needs_norm and (isinstance(last, keras.Model) or "Lambda" in type(last).__name__):
        raise ValueError(
            f"{margin.name} depends on the embedding norms, and the last layer {last.name!r} ({type(last).__name__}) "
            "may normalize them: end the model before the normalization, or with a UnitNormalization layer"
        )
    return outputs[0]
