"""Recipe for fine-tuning a compressed network by distillation from the original network.

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
    """Returns a recipe that distills the network's own embeddings into its compressed version.

    No labels are needed. The learning rate starts at a tenth of the usual value for `adamw`. Every field can be
    overridden, for example to add a label loss (`margin=arcface`).

    Args:
        recipe: recipe of the original training; batch size, flip and seed are kept. Jitter and degradation are
            disabled, because the compressed network should match the original network on the same image.
        model: the original network; determines image and embedding size instead of the recipe.
        images: number of images in the data set.
        steps: approximate number of steps, rounded to whole epochs, at least one.
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
