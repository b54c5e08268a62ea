"""Networks: configurations, blocks, `build()`, reference weights, counting."""

from seesaw_keras.models.build import build
from seesaw_keras.models.configs import list_models
from seesaw_keras.models.counting import count_madds, model_info
from seesaw_keras.models.reference import load_reference_weights
from seesaw_keras.models.tables import summary

__all__ = ["build", "count_madds", "list_models", "load_reference_weights", "model_info", "summary"]
