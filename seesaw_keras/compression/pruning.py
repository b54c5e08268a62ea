"""Magnitude pruning: gradually sets the smallest kernel entries to zero during training.

>>> from seesaw_keras.compression.pruning import PruningNetwork, sparsities_of
>>> given = PruningNetwork(network, {"head_conv": 0.9, "embedding_conv": 0.8})  # doctest: +SKIP
>>> sparse = given.finished(train(recipe, source, out, network=given))  # doctest: +SKIP
>>> sparsities_of(sparse)["head_conv"]  # doctest: +SKIP
0.9
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

import numpy as np
import tensorflow_model_optimization as tfmot

from seesaw_keras.api import keras
from seesaw_keras.choices import unknown_name
from seesaw_keras.compression.layer_graph import check_plain, copy_of, with_unit_length, without_unit_length
from seesaw_keras.tflite.conversion.convert import weights_sha256
from seesaw_keras.training.network import NetworkProvider

__all__ = ["PARTS", "Part", "PruningNetwork", "kernel_of", "prunable_layers", "sparsities_of"]

Part = Literal["stem", "depthwise", "squeeze_excite"]
PARTS: tuple[Part, ...] = get_args(Part)
_SCHEDULE_END = 0.6  # fraction of training after which sparsity is constant and the remaining weights recover
_UPDATES = 100  # maximum number of mask updates
_TWO_OF_FOUR = (2, 4)


def prunable_layers(model: Any, also: Collection[Part] = ()) -> list[Any]:
    """Returns the convolutions to prune: the 1x1 convolutions of trunk and head, including the embedding layer.

    Args:
        model: a network from `seesaw_keras.build`.
        also: further parts to prune. They are dense by default, because they have few weights and are sensitive to
            pruning.

    Raises:
        ValueError: if a part is unknown.
    """
    for part in also:
        if part not in PARTS:
            raise ValueError(unknown_name("part", part, list(PARTS)))
    return [layer for layer in _convolutions(model) if _part(layer) in (None, *also)]


def _convolutions(model: Any) -> list[Any]:
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def _part(layer: Any) -> Part | None:
    if layer.name.startswith("stem_"):
        return "stem"
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return "depthwise"
    return "squeeze_excite" if "_se_" in layer.name else None


def kernel_of(layer: Any) -> Any:
    """Returns the kernel of a regular or depthwise convolution."""
    return layer.depthwise_kernel if isinstance(layer, keras.layers.DepthwiseConv2D) else layer.kernel


def sparsities_of(model: Any) -> dict[str, float]:
    """Returns the fraction of zeros, 0 to 1, in the kernel of each convolution, by layer name."""
    return {layer.name: float(np.mean(kernel_of(layer).numpy() == 0)) for layer in _convolutions(model)}


class PruningNetwork(NetworkProvider):
    """Provides a network to `train` that is pruned by `tfmot.sparsity.keras.prune_low_magnitude`.

    The sparsity follows TFMOT's polynomial schedule (arXiv 1710.01878) over the first 60% of training, updated up to a
    hundred times. TFMOT's default of one update every 100 steps would not prune at all in a short training run.

    Args:
        model: the network to prune, from `seesaw_keras.build`; it is not modified.
        sparsities: fraction of zeros by convolution name, at least 0 and below 1, as from `sensitivity.allocate`.
            None for 2:4 sparsity along the input channels from the first step on, in all layers of
            `prunable_layers(model, also)`.
        also: see `prunable_layers`; used if `sparsities` is None.

    Raises:
        ValueError: if the model is already compressed or not a functional model, a convolution does not exist, or a
            sparsity is out of range.
    """

    def __init__(self, model: Any, sparsities: Mapping[str, float] | None, also: Collection[Part] = ()) -> None:
        check_plain(model)
        self._model = model
        self._m_by_n = None if sparsities is not None else _TWO_OF_FOUR
        if sparsities is None:
            sparsities = {layer.name: 0.5 for layer in prunable_layers(model, also)}
        known = {layer.name for layer in prunable_layers(model, PARTS)}
        for name, sparsity in sparsities.items():
            if name not in known:
                raise ValueError(f"{model.name}: no convolution named {name!r}")
            if not 0 <= sparsity < 1:
                raise ValueError(f"sparsity must be 0 or more and below 1, got {sparsity:g} for {name!r}")
        self._sparsities = dict(sparsities)
        self.facts = {
            "sparsities": self._sparsities,
            "pattern": "2:4" if self._m_by_n else "unstructured",
            "weights_sha256": weights_sha256(model.get_weights()),
        }

    def build(self, total_steps: int, *, normalize: bool) -> Any:
        """Returns a copy with pruning wrappers around the convolutions."""
        frequency = max(int(_SCHEDULE_END * total_steps) // _UPDATES, 1)
        end = max(int(_SCHEDULE_END * total_steps) // frequency, 1) * frequency  # a step at which masks are updated

        def wrap(layer: Any) -> Any:
            copy = copy_of(layer)
            if layer.name not in self._sparsities:
                return copy
            schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, self._sparsities[layer.name], 0, end, 3, frequency)
            if isinstance(layer, keras.layers.DepthwiseConv2D):  # TFMOT does not prune these by default
                copy.get_prunable_weights = lambda: [copy.depthwise_kernel]
            return tfmot.sparsity.keras.prune_low_magnitude(copy, schedule, sparsity_m_by_n=self._m_by_n)

        network = keras.models.clone_model(without_unit_length(self._model), clone_function=wrap)
        for layer in network.layers:
            if _is_wrapper(layer):
                layer.pruning_step.assign(0)  # as in TFMOT's callback, so that the first step is step 1
        return with_unit_length(network) if normalize else network

    def forward(self, network: Any, step: Any) -> Any:
        """Returns the network itself; its pruning wrappers count the steps."""
        return network

    def finished(self, trained: Any) -> Any:
        """Returns the sparse network: a copy of the original model with the trained weights and masks applied."""
        sparse = keras.models.clone_model(self._model)
        for layer in trained.layers:
            if layer.weights:
                copy = sparse.get_layer(layer.layer.name if _is_wrapper(layer) else layer.name)
                copy.set_weights(layer.get_weights())
                if _is_wrapper(layer):  # the last optimizer step has changed masked entries
                    _, mask, _ = layer.pruning_vars[0]
                    kernel_of(copy).assign(kernel_of(copy) * mask)
        return sparse


def _is_wrapper(layer: Any) -> bool:
    return hasattr(layer, "pruning_vars")
