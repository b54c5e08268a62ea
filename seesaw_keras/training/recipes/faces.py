"""Tens of thousands of real faces on two cores: `phone`, from labels alone or, with `--teacher`, from both."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="faces",
    summary="phone at 112x112 on some ten thousand people, on a CPU",
    variant="phone",
    batch_size=64,
    epochs=12,
    margin="cosface",
    s=32.0,
    m=0.2,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    milestones=(),
    warmup_epochs=0.5,
    weight_decay=1e-2,
    last_weight_decay=0.0,
)
