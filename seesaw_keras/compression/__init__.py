"""Pruning and quantization-aware training with TensorFlow Model Optimization; public names are loaded lazily."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.compression.channel_pruning import (
        ChannelPrunedNetwork,
        gamma_importance,
        prune_channels,
        taylor_importance,
    )
    from seesaw_keras.compression.equal_scales import OperatorMatch, fake_quantized_matches
    from seesaw_keras.compression.pruning import PruningNetwork, sparsities_of
    from seesaw_keras.compression.quantize_aware_network import QuantizationNetwork, quantize_aware
    from seesaw_keras.compression.sensitivity import allocate, scan

_MODULES = {
    "equal_scales": ["OperatorMatch", "fake_quantized_matches"],
    "channel_pruning": ["ChannelPrunedNetwork", "gamma_importance", "prune_channels", "taylor_importance"],
    "pruning": ["PruningNetwork", "sparsities_of"],
    "quantize_aware_network": ["QuantizationNetwork", "quantize_aware"],
    "sensitivity": ["allocate", "scan"],
}

__all__ = [
    "ChannelPrunedNetwork",
    "OperatorMatch",
    "PruningNetwork",
    "QuantizationNetwork",
    "allocate",
    "fake_quantized_matches",
    "gamma_importance",
    "prune_channels",
    "quantize_aware",
    "scan",
    "sparsities_of",
    "taylor_importance",
]

__getattr__, __dir__ = lazy.attach(
    __name__, {name: f"seesaw_keras.compression.{module}" for module, names in _MODULES.items() for name in names}
)
