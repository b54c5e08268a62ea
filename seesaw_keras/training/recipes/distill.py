"""Distillation from a stronger network's embeddings combined with ArcFace on labels, for the paper's 16 epochs."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="distill",
    summary="distillation (cosine and relation losses) combined with ArcFace on the labels",
    cosine_weight=20.0,
    relation_weight=1.0,
    schedule="cosine",
    milestones=(),
    warmup_epochs=1.0,
)
