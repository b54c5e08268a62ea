"""Networks made smaller with TensorFlow Model Optimization; the public names are loaded when first used."""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.compression.agreement import OperatorMatch, fake_quantized_matches
    from seesaw_keras.compression.quantization import quantize_aware

__all__ = ["OperatorMatch", "fake_quantized_matches", "quantize_aware"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "OperatorMatch": "seesaw_keras.compression.agreement",
        "fake_quantized_matches": "seesaw_keras.compression.agreement",
        "quantize_aware": "seesaw_keras.compression.quantization",
    },
)
