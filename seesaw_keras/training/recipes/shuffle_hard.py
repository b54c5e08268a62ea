"""shuffle_hard with Li-ArcFace (arXiv 1907.12256), as trained in github.com/pshashk/seesaw-facenet."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="shuffle_hard",
    summary="shuffle_hard with Li-ArcFace s=64 m=0.45",
    variant="shuffle_hard",
    margin="li_arcface",
    s=64.0,
    m=0.45,
)
