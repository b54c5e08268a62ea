"""Small sparse networks, their quantization-aware copies and flatbuffers, made once a session: each takes seconds."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

SMALL = {"input_shape": (32, 32, 3), "width": 0.25, "embedding_size": 16}
SPARSITY = 0.6


@pytest.fixture(scope="session")
def faces():
    """Sixteen synthetic faces: uint8 (16, 32, 32, 3)."""
    from seesaw_keras.data.representative import representative_images

    return representative_images(None, 16, side=32)


@pytest.fixture(scope="session")
def floats(faces):
    """The same as networks take them."""
    return ((faces - 127.5) / 127.5).astype(np.float32)


@pytest.fixture(scope="session")
def network(floats):
    """Function: variant, options of `build` -> a quarter-width 32x32 network of seed 0 with batch statistics."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.models.statistics import set_batch_statistics

    @functools.cache
    def build(variant, **options):
        keras.utils.set_random_seed(0)
        model = seesaw_keras.build(variant, **SMALL, **options)
        set_batch_statistics(model, floats)
        return model

    return build


@pytest.fixture(scope="session")
def compressed(network, floats):
    """Function: variant, options of `build` -> a namespace of the `aware` network made of one in which the smallest 60%
    of each 1x1 kernel's entries are zero, and of its `flatbuffer`."""
    from seesaw_keras.api import keras
    from seesaw_keras.compression import quantize_aware
    from seesaw_keras.tflite.convert import convert

    @functools.cache
    def make(variant, **options):
        dense = network(variant, **options)
        sparse = keras.models.clone_model(dense)
        sparse.set_weights(dense.get_weights())
        for layer in sparse.layers:
            if type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1):
                kernel = layer.kernel.numpy()
                layer.kernel.assign(kernel * (np.abs(kernel) > np.quantile(np.abs(kernel), SPARSITY)))
        aware = quantize_aware(sparse, floats)
        return SimpleNamespace(aware=aware, flatbuffer=convert(aware))

    return make
