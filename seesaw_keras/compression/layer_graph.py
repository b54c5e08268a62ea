"""Layer graph utilities for compression: producers and consumers, layer copies, model checks.

>>> import seesaw_keras
>>> from seesaw_keras.compression.layer_graph import consumers
>>> [layer.name for layer in consumers(seesaw_keras.build("shuffle"))["stem_conv"]]
['stem_bn']
"""

from typing import Any

from seesaw_keras.api import keras

__all__ = ["check_plain", "consumers", "copy_of", "producers", "with_unit_length", "without_unit_length"]

_WRAPPERS = {
    "QuantizeWrapperV2": "quantization-aware",
    "QuantizeWrapper": "quantization-aware",
    "QuantizeLayer": "quantization-aware",
    "PruneLowMagnitude": "being pruned",
}


def producers(model: Any) -> dict[str, list[Any]]:
    """Returns the input layers of each layer of a flat functional model, in order, by layer name."""
    found = {}
    for layer in model.layers:
        inbound = layer.inbound_nodes[0].inbound_layers
        found[layer.name] = list(inbound) if isinstance(inbound, (list, tuple)) else [inbound]
    return found


def consumers(model: Any) -> dict[str, list[Any]]:
    """Returns the layers that consume each layer's output in a flat functional model, by layer name."""
    found: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    layers = {layer.name: layer for layer in model.layers}
    for name, taken in producers(model).items():
        for source in taken:
            found[source.name].append(layers[name])
    return found


def copy_of(layer: Any) -> Any:
    """Returns a new layer with the same config and weights."""
    copy = type(layer).from_config(layer.get_config())
    if layer.weights:
        with keras.backend.name_scope(layer.name):  # weight decay depends on variable names
            copy.build(layer.input_shape)
        copy.set_weights(layer.get_weights())
    return copy


def without_unit_length(model: Any) -> Any:
    """Returns the network without its final `UnitNormalization`, sharing all layers."""
    last = model.layers[-1]
    return keras.Model(model.input, last.input) if isinstance(last, keras.layers.UnitNormalization) else model


def with_unit_length(model: Any) -> Any:
    """Returns the network with a `UnitNormalization` appended, sharing all layers."""
    return keras.Model(
        model.input, keras.layers.UnitNormalization(dtype="float32", name="unit_embedding")(model.output)
    )


def check_plain(model: Any) -> None:
    """Checks that a network can be compressed.

    Raises:
        ValueError: if it is already compressed, is not a functional Keras model, or does not compute in float32.
    """
    if not isinstance(model, keras.Model) or not model._is_graph_network:
        raise ValueError("only a functional Keras model can be compressed: build one, or load it from a .keras file")
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in _WRAPPERS:
            raise ValueError(f"{model.name}: already {_WRAPPERS[kind]}; compress the original network")
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"{model.name}: {layer.name} computes in {layer.compute_dtype}; build the network with the policy "
                f"float32 and load its weights"
            )
