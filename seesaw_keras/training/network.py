"""The network to train: built from a recipe, with optional initial weights, or supplied by the caller.

>>> from seesaw_keras.training.network import build_network, start_from
>>> from seesaw_keras.training.recipe import get_recipe
>>> network = build_network(get_recipe("faces"), normalize=False)
>>> start_from(network, "runs/small_images/best.weights.h5")  # doctest: +SKIP
['head_dw_conv/depthwise_kernel:0']
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras.models.builder import build
from seesaw_keras.training.recipe import Recipe

__all__ = ["NetworkProvider", "build_network", "start_from"]

_OF_INPUT_OR_OUTPUT = ("head_dw", "embedding")  # layers whose shape depends on the image or embedding size


class NetworkProvider(ABC):
    """Provides a network to train instead of the recipe's, for example for pruning or quantization-aware training.

    Attributes:
        facts: JSON-serializable description, part of the run's fingerprint.
    """

    facts: Mapping[str, Any]

    @abstractmethod
    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Builds the network with its initial weights.

        Args:
            total_steps: number of training steps.
            normalize: whether the embeddings are L2-normalized; the weights are the same either way.
        """

    @abstractmethod
    def forward(self, network: Any, step: Any) -> Any:
        """Returns the forward pass to use in a training step.

        Args:
            network: the network from `build(..., normalize=False)`.
            step: variable that holds the number of completed steps.

        Returns:
            A callable of images and `training` that has the network's `trainable_variables`.
        """


def build_network(recipe: Recipe, *, normalize: bool) -> Any:
    """Builds the network of a recipe.

    Args:
        recipe: supplies the variant, width, activation, image size and embedding size.
        normalize: whether the embeddings are L2-normalized.

    Returns:
        A functional `keras.Model` with randomly initialized weights.
    """
    return build(
        recipe.variant,
        input_shape=(recipe.image_size, recipe.image_size, 3),
        embedding_size=recipe.embedding_size,
        width=recipe.width,
        activation=recipe.activation,  # type: ignore[arg-type]
        normalize=normalize,
    )


def start_from(model: Any, path: str | Path) -> list[str]:
    """Loads the weights of another run, which may have used a different image or embedding size.

    Args:
        model: a model from `build_network`.
        path: a `*.weights.h5` file of the same variant and width.

    Returns:
        The names of the weights that keep their random initialization because the shape in the file differs: those of
        the global depthwise convolution and the embedding layer.

    Raises:
        ValueError: if the file does not exist, cannot be read, or belongs to a different network.
    """
    if not Path(path).is_file():
        raise ValueError(f"weights: no such file: {str(path)!r}")
    random = model.get_weights()
    model.set_weights([np.full_like(array, np.nan) for array in random])  # still NaN after loading: not in the file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(str(path), skip_mismatch=True)
    except Exception as error:  # Keras and h5py raise several exception types here
        raise ValueError(f"weights: {str(path)!r} cannot be read as *.weights.h5: {error}") from error
    fresh = [np.isnan(array).any() for array in model.get_weights()]
    names = [variable.name for variable, is_fresh in zip(model.weights, fresh, strict=True) if is_fresh]
    foreign = [name for name in names if not name.startswith(_OF_INPUT_OR_OUTPUT)]
    if foreign:
        raise ValueError(
            f"weights: {str(path)!r} belongs to a different network than {model.name}: {len(foreign)} weights do not "
            f"match, the first is {foreign[0]!r}; variant, width and activation must be the same"
        )
    model.set_weights(
        [first if is_fresh else now for first, now, is_fresh in zip(random, model.get_weights(), fresh, strict=True)]
    )
    return names
