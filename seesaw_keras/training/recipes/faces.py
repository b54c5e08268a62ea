"""Tens of thousands of real faces on two cores: `phone` learns the embeddings of a stronger network."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="faces",
    summary="phone at 112x112 from a teacher's embeddings of some ten thousand people, on a CPU",
    variant="phone",
    batch_size=32,
    epochs=12,
    teacher_views=4,
    degrade=0.5,
    # Five pictures a person say little: random class centers still stood at 90 degrees when a teacher had taught much.
    margin=None,
    cosine_weight=20.0,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    milestones=(),
    warmup_epochs=0.5,
    weight_decay=1e-2,
    last_weight_decay=0.0,
    ema=0.999,
)
