"""Networks: configurations, blocks, `build()`, PyTorch weights, parameter and multiply-add counts."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.models.builder import build
    from seesaw_keras.models.configs import list_models
    from seesaw_keras.models.counting import count_madds, model_info
    from seesaw_keras.models.pytorch_weights import load_reference_weights
    from seesaw_keras.models.summaries import summary

__all__ = ["build", "count_madds", "list_models", "load_reference_weights", "model_info", "summary"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "build": "seesaw_keras.models.builder",
        "count_madds": "seesaw_keras.models.counting",
        "list_models": "seesaw_keras.models.configs",
        "load_reference_weights": "seesaw_keras.models.pytorch_weights",
        "model_info": "seesaw_keras.models.counting",
        "summary": "seesaw_keras.models.summaries",
    },
)
