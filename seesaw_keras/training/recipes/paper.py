"""The training setup of arXiv 1908.09124, section 4.1, plus momentum and per-group weight decay as in its code."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="paper",
    summary="SeesawFaceNets as published: 16 epochs of MS1MV2, batch 192, ArcFace s=64 m=0.5",
    s=64.0,
    m=0.5,
)
