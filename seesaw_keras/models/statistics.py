"""Sets batch normalization statistics from images, so that untrained networks have realistic activation ranges.

>>> import numpy as np
>>> import seesaw_keras
>>> from seesaw_keras.models.statistics import set_batch_statistics
>>> network = seesaw_keras.build("shuffle", input_shape=(32, 32, 3), width=0.25)
>>> set_batch_statistics(network, np.zeros((8, 32, 32, 3), np.float32))
"""

import math
from typing import Any

import numpy as np

from seesaw_keras.api import keras

__all__ = ["set_batch_statistics"]


def set_batch_statistics(model: Any, images: np.ndarray) -> None:
    """Sets the moving statistics of every batch normalization to those of one batch.

    With initial moving statistics (mean 0, variance 1), the activations of a random network drift over many orders of
    magnitude. An all-zero gamma (`ModelConfig.zero_gamma`) is set to one, because it disables its branch and leads to a
    zero range, which has no valid scale.

    Args:
        model: a network with random weights from `seesaw_keras.build`; modified in place.
        images: (n, side, side, 3) float32 in [-1, 1], processed as one batch.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        if not np.any(layer.gamma.numpy()):
            layer.gamma.assign(np.ones(layer.gamma.shape))
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0  # the moving average keeps only this batch
        model(images, training=True)
        for layer in layers:
            # The kernel stores the unbiased variance but normalizes by the biased one; over fifty layers this matters.
            count = len(images) * math.prod(layer.input.shape[1:-1])
            layer.moving_variance.assign(layer.moving_variance * ((count - 1) / count))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
