"""Small sparse networks, their quantization-aware copies and flatbuffers, made once a session: each takes seconds."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

SMALL = {"input_shape": (32, 32, 3), "width": 0.25, "embedding_size": 16}
SPARSITY = 0.6


@pytest.fixture(scope="module", autouse=True)
def shallow(one_block_per_stage):
    """All networks in this folder have one block per stage."""


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
    from seesaw_keras.tflite.conversion.convert import convert

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


@pytest.fixture(scope="session")
def plain():
    """A network of a dozen layers, with the names of the large ones, for 16x16 images."""
    from seesaw_keras.api import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem_conv")(image)
    x = layers.ReLU(name="stem_act")(layers.BatchNormalization(momentum=0.9, name="stem_bn")(x))
    x = layers.DepthwiseConv2D(3, use_bias=False, name="stage1_dw_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stage1_dw_bn")(x)
    y = layers.GlobalAveragePooling2D(keepdims=True, name="stage1_se_pool")(x)
    y = layers.Activation("sigmoid", name="stage1_se_gate")(layers.Conv2D(8, 1, name="stage1_se_reduce_conv")(y))
    x = layers.Multiply(name="stage1_se_scale")([x, y])
    x = layers.Conv2D(16, 1, use_bias=False, name="stage1_project_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stage1_project_bn")(x)
    x = layers.Conv2D(8, x.shape[1], use_bias=False, name="embedding_conv")(x)
    x = layers.Flatten(name="embedding")(layers.BatchNormalization(momentum=0.9, name="embedding_bn")(x))
    return keras.Model(image, layers.UnitNormalization(name="unit_embedding")(x), name="plain")


@pytest.fixture
def teach(plain, tmp_path):
    """Function: NetworkProvider, options -> what `train` returns after eight steps of learning from `plain` itself."""
    from seesaw_keras.data.synthetic import SyntheticFaces
    from seesaw_keras.training.callbacks.callback import Callback
    from seesaw_keras.training.recipe import Recipe
    from seesaw_keras.training.trainer import train

    settings = {"image_size": 16, "embedding_size": 8, "batch_size": 8, "epochs": 4, "flip": False, "margin": None}
    recipe = Recipe("tiny", "", **settings, cosine_weight=1.0, optimizer="adamw", learning_rate=0.01, milestones=())
    source = SyntheticFaces(8, 2, size=16)
    images = ((source.batch(range(16))[0] - 127.5) / 127.5).astype(np.float32)

    class Stop(Callback):
        def __init__(self, at):
            self._at = at

        def step(self, report):
            if report.step == self._at:
                raise InterruptedError

    def run(given, folder="out", stop_at=None, callbacks=()):
        return train(
            recipe,
            source,
            tmp_path / folder,
            teacher=plain(images).numpy()[None],
            network=given,
            callbacks=[Stop(stop_at), *callbacks],
            checkpoint_minutes=0,
        )

    run.images = images
    return run
