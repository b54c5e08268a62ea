"""Learning from a stronger network's embeddings and from labels at once, over the paper's schedule."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="distill",
    summary="a teacher's embeddings (cosine and relation losses) and ArcFace on the labels",
    cosine_weight=20.0,
    relation_weight=1.0,
    schedule="cosine",
    milestones=(),
    warmup_epochs=1.0,
)
