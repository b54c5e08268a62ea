"""The training of a network that is being compressed: what the network said before, learned again.

>>> from seesaw_keras.compression.fine_tuning import fine_tuning
>>> from seesaw_keras.training.recipe import get_recipe
>>> fine_tuning(get_recipe("faces"), network, images=45_883, steps=3000).epochs  # doctest: +SKIP
4
"""

import math
from dataclasses import replace
from typing import Any

from seesaw_keras.training.recipe import Recipe

__all__ = ["fine_tuning"]

_VALIDATIONS = 4


def fine_tuning(recipe: Recipe, model: Any, *, images: int, steps: int) -> Recipe:
    """Returns the recipe of a compression: the batches of a training, and the network's own embeddings to learn from.

    Labels are not needed. The learning rate falls from a tenth of what `adamw` usually starts with; all of it can be
    overridden, also to learn from labels again (`margin=arcface`).

    Args:
        recipe: of the training; its batches, flips and seed are kept. Nothing is jittered or degraded: the compressed
            network is to compute what the network computes of the same image.
        model: the network, whose input and output count, not the recipe's.
        images: of the data.
        steps: about how many to take; whole epochs are taken, one at least.
    """
    per_epoch = math.ceil(images / recipe.batch_size)
    epochs = max(round(steps / per_epoch), 1)
    return replace(
        recipe,
        image_size=model.input_shape[1],
        embedding_size=model.output_shape[-1],
        accumulate=1,
        epochs=epochs,
        teacher_views=0,
        degrade=0.0,
        margin=None,
        cosine_weight=1.0,
        relation_weight=0.0,
        contrast_weight=0.0,
        dropout=0.0,
        optimizer="adamw",
        learning_rate=5e-4,
        schedule="cosine",
        milestones=(),
        warmup_epochs=0.05 * epochs,
        final_learning_rate=0.0,
        weight_decay=0.0,
        last_weight_decay=0.0,
        ema=0.0,
        precision="float32",
        xla=False,
        validate_every=max(epochs / _VALIDATIONS, 1),
    )
