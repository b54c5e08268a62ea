"""Networks made smaller with TensorFlow Model Optimization."""

from seesaw_keras.compression.quantize_configs import quantize_aware

__all__ = ["quantize_aware"]
