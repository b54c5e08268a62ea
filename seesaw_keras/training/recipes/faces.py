"""Distillation of `phone` from a stronger network on tens of thousands of real faces, sized for two CPU cores."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="faces",
    summary="distillation of phone at 112x112 from about ten thousand identities, on a CPU",
    variant="phone",
    batch_size=64,
    epochs=12,
    teacher_views=4,
    degrade=0.5,
    # About five images per person are too few for a label loss: class centers were still at 90 degrees when the
    # distillation loss had already made good progress.
    margin=None,
    # Contrast with other embeddings learns faster than the cosine to the own one (docs/train.md).
    contrast_weight=1.0,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="cosine",
    milestones=(),
    warmup_epochs=0.5,
    weight_decay=4e-5,
    last_weight_decay=0.0,
    ema=0.999,
)
