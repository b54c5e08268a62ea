"""What is trained: the network of a recipe, with the weights it starts from, or one that is given.

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

__all__ = ["GivenNetwork", "build_network", "start_from"]

_OF_INPUT_OR_OUTPUT = ("head_dw", "embedding")  # layers whose shape follows from image or embedding size


class GivenNetwork(ABC):
    """A network to train in the place of the recipe's: one that is being pruned, or is quantization-aware.

    Attributes:
        facts: what tells it from others, for JSON.
    """

    facts: Mapping[str, Any]

    @abstractmethod
    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Makes the network, with the weights to start from.

        Args:
            total_steps: of the training.
            normalize: whether its embeddings have unit length; for the rest both kinds have the same weights.
        """

    @abstractmethod
    def forward(self, network: Any, step: Any) -> Any:
        """Returns what computes the network in a step.

        Args:
            network: what `build` made, without unit length.
            step: how many steps were taken, a variable.

        Returns:
            A function of images and `training`, with the network's `trainable_variables`.
        """


def build_network(recipe: Recipe, *, normalize: bool) -> Any:
    """Builds the network of a recipe.

    Args:
        recipe: names the variant, its width, activation, image and embedding size.
        normalize: whether its embeddings have unit length.

    Returns:
        A functional `keras.Model` with random weights.
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
    """Loads the weights of another training, which may have had another image or embedding size.

    Args:
        model: what `build_network` returned.
        path: a file `*.weights.h5` of the same variant and width.

    Returns:
        The weights that keep their random values, because the file's have another shape: of the global depthwise
        convolution and the embedding layer.

    Raises:
        ValueError: if there is no such file, it cannot be read, or it is of another network.
    """
    if not Path(path).is_file():
        raise ValueError(f"weights: there is no file {str(path)!r}")
    random = model.get_weights()
    model.set_weights([np.full_like(array, np.nan) for array in random])  # what is still NaN was not in the file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(str(path), skip_mismatch=True)
    except Exception as error:  # Keras and h5py raise half a dozen kinds
        raise ValueError(f"weights: {str(path)!r} cannot be read as *.weights.h5: {error}") from error
    fresh = [np.isnan(array).any() for array in model.get_weights()]
    names = [variable.name for variable, is_fresh in zip(model.weights, fresh, strict=True) if is_fresh]
    foreign = [name for name in names if not name.startswith(_OF_INPUT_OR_OUTPUT)]
    if foreign:
        raise ValueError(
            f"weights: {str(path)!r} is of another network than {model.name}: {len(foreign)} weights do not fit, "
            f"{foreign[0]!r} is the first; variant, width and activation must be those of the file"
        )
    model.set_weights(
        [first if is_fresh else now for first, now, is_fresh in zip(random, model.get_weights(), fresh, strict=True)]
    )
    return names
