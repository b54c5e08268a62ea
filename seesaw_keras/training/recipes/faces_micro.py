"""The `faces` recipe for the `micro` variant."""

from dataclasses import replace

from seesaw_keras.models.configs import get_config
from seesaw_keras.training.recipes.faces import RECIPE as FACES

__all__ = ["RECIPE"]

_MICRO = get_config("micro")

RECIPE = replace(
    FACES,
    name="faces_micro",
    summary="distillation of micro at 96x96 from about ten thousand identities, on a CPU",
    variant=_MICRO.name,
    image_size=_MICRO.image_size,
    embedding_size=_MICRO.embedding_size,
)
