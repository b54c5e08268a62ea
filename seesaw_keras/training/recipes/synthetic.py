"""Smoke-test recipe that takes minutes on two cores: `phone` at width 0.25 on small images of synthetic identities."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="synthetic",
    summary="the built-in demo: a quarter-width network on 32x32 synthetic faces, minutes on two cores",
    variant="phone",
    width=0.25,
    image_size=32,
    embedding_size=64,
    batch_size=64,
    epochs=10,
    # With ten images per identity and few epochs, a margin from the start keeps the angles at 90 degrees for half of
    # the epochs.
    margin="normface",
    s=16.0,
    optimizer="adamw",
    learning_rate=3e-3,
    schedule="cosine",
    milestones=(),
    warmup_epochs=0.5,
    weight_decay=1e-2,
    last_weight_decay=0.0,
    validate_every=5.0,
)
