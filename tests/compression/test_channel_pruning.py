"""Networks that lose whole channels."""

import numpy as np
import pytest
import tensorflow as tf

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.compression import quantize_aware
from seesaw_keras.compression.channel_groups import tied_channels
from seesaw_keras.compression.channel_pruning import (
    ChannelPrunedNetwork,
    gamma_importance,
    prune_channels,
    taylor_importance,
)
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice
from seesaw_keras.tflite.conversion.convert import convert

SHARE = 0.3


def conv_channels(model):
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(layer.filters for layer in layers if layer.name != "embedding_conv")


def random_importance(model, seed=0):
    channel_groups = tied_channels(model)
    values = np.random.default_rng(seed).uniform(size=1 + max(channel_groups.marks))
    return {number: float(values[number]) for number in channel_groups.marks}


def survivors(model, smaller):
    """Name of a convolution -> which of its channels are left, found again by their gammas, which are all different."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            found[layer.name.removesuffix("_bn")] = np.isin(layer.gamma, smaller.get_layer(layer.name).gamma)
    return found


@pytest.fixture(scope="module")
def unlike(network):
    """Function: variant -> its network with other gammas for every channel."""

    def make(variant):
        model = keras.models.clone_model(network(variant))
        model.set_weights(network(variant).get_weights())
        gammas = iter(np.random.default_rng(0).permutation(10_000) / 10_000 + 0.5)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.gamma.assign([next(gammas) for _ in range(layer.gamma.shape[0])])
        return model

    return make


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["phone", "share", "dw_v2", "mobilefacenet"])
def test_what_is_left_computes_what_the_network_computes_without_these_channels(variant, unlike, floats):
    """A channel is gone where its batch normalization puts out zeros and all that follows leaves zeros zero."""
    model = unlike(variant)
    before = model.get_weights()
    smaller = prune_channels(model, SHARE, random_importance(model), multiple=4)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    removed = 1 - conv_channels(smaller) / conv_channels(model)
    assert SHARE <= removed < SHARE + 0.05
    left = survivors(model, smaller)
    assert all(kept.any() for kept in left.values())
    for (
        layer
    ) in model.layers:  # squeeze-excite has no batch normalization: what its inside reads and writes is compared
        if isinstance(layer, keras.layers.BatchNormalization):
            kept = left[layer.name.removesuffix("_bn")]
            layer.gamma.assign(layer.gamma * kept)
            layer.beta.assign(layer.beta * kept)
        if layer.name.endswith("se_reduce_conv"):  # has no batch normalization: its kernel's columns are found again
            read = left[layer.name.replace("se_reduce_conv", "dw")]
            columns = layer.kernel.numpy()[0, 0][read].T.tolist()
            kept = [column in smaller.get_layer(layer.name).kernel.numpy()[0, 0].T.tolist() for column in columns]
            layer.kernel.assign(layer.kernel * kept)
            layer.bias.assign(layer.bias * kept)
    np.testing.assert_allclose(smaller(floats), model(floats), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["phone", "share"])
def test_the_split_the_shuffle_and_the_residual_stream_stay_what_they_are(variant, network):
    smaller = prune_channels(network(variant), SHARE, random_importance(network(variant), 1), multiple=4)
    widths = {}
    for layer in smaller.layers:
        if isinstance(layer, ChannelSlice):
            channels = layer.input_shape[-1]
            narrow = (layer.stop - layer.start) * 4 == channels
            assert narrow or (layer.stop - layer.start) * 4 == 3 * channels
            assert layer.start == 0 or layer.stop == channels
        if isinstance(layer, ChannelShuffle):
            assert layer.input_shape[-1] % 8 == 0
        if layer.name.endswith("_add"):
            widths.setdefault(layer.name.split("_")[0], set()).add(layer.output_shape[-1])
    assert set(widths) == {"stage1", "stage2", "stage3"}
    assert all(len(stage) == 1 for stage in widths.values())


@pytest.mark.slow
def test_widths_stay_multiples_and_every_layer_keeps_some(network):
    model = network("mobilefacenet")
    importance = {number: 1.0 if number % 2 else 1e-9 for number in tied_channels(model).marks}
    smaller = prune_channels(model, 0.9, importance)
    for layer in smaller.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name != "embedding_conv":
            assert layer.filters >= 8 and layer.filters % 8 == 0
    assert prune_channels(model, 0.0, importance).count_params() == model.count_params()


def test_the_least_important_go(plain):
    channel_groups = tied_channels(plain)
    importance = dict.fromkeys(channel_groups.marks, 1.0)
    doomed = channel_groups.by_layer["stage1_project_conv"][[1, 5, 6, 12]]
    importance |= dict.fromkeys(doomed.tolist(), 1e-6)
    smaller = prune_channels(plain, 0.1, importance, multiple=1)
    np.testing.assert_array_equal(
        smaller.get_layer("stage1_project_conv").kernel,
        np.delete(plain.get_layer("stage1_project_conv").kernel, [1, 5, 6, 12], axis=-1),
    )


@pytest.mark.slow
def test_taylor_scores_are_the_squared_change_of_the_embeddings(plain, teach):
    images = teach.images[:4]
    scores = taylor_importance(plain, images, samples=600)
    numbers = tied_channels(plain).by_layer["stage1_project_conv"]
    kernel = plain.get_layer("embedding_conv").kernel
    with tf.GradientTape() as tape:
        embeddings = plain(images)
    jacobian = tape.jacobian(embeddings, kernel).numpy()
    moved = (jacobian * kernel.numpy()).sum((2, 3, 5))  # (images, length, channels)
    expected = (moved**2).sum((0, 1))
    np.testing.assert_allclose([scores[number] for number in numbers.tolist()], expected, rtol=0.35)
    again = taylor_importance(plain, images, samples=3)
    assert again == taylor_importance(plain, images, samples=3)


def test_gamma_scores_order_channels_by_their_gammas(unlike):
    model = unlike("mobilefacenet")
    channel_groups, scores = tied_channels(model), gamma_importance(model)
    name = "stage2_block1_expand"
    expand = model.get_layer(f"{name}_bn").gamma.numpy()
    depthwise = model.get_layer("stage2_block1_dw_bn").gamma.numpy()
    expected = expand / expand.mean() + depthwise / depthwise.mean()
    found = np.array([scores[number] for number in channel_groups.by_layer[f"{name}_conv"].tolist()])
    np.testing.assert_allclose(found / found.mean(), expected / expected.mean(), rtol=1e-5)


@pytest.mark.slow
def test_smaller_networks_train_save_load_and_convert(plain, teach, tmp_path):
    smaller = prune_channels(plain, SHARE, gamma_importance(plain), multiple=1)
    given = ChannelPrunedNetwork(smaller)
    trained = given.finished(teach(given))
    assert [layer.name for layer in trained.layers] == [layer.name for layer in plain.layers]
    assert any(np.any(old != new) for old, new in zip(smaller.get_weights(), trained.get_weights(), strict=True))
    trained.save(tmp_path / "smaller.keras")
    loaded = keras.models.load_model(tmp_path / "smaller.keras", compile=False)
    np.testing.assert_allclose(loaded(teach.images), trained(teach.images), atol=1e-6)
    assert trained.count_params() < plain.count_params()
    assert seesaw_keras.count_madds(trained) < seesaw_keras.count_madds(plain)
    graph = convert(quantize_aware(trained, teach.images)).main
    assert {tensor.type for tensor in graph.tensors} == {"INT8", "INT32"}


class TestRefuses:
    @pytest.mark.parametrize("share", [1.5, 1.0, -0.1])
    def test_impossible_shares(self, share, plain):
        with pytest.raises(ValueError, match="share of channels to remove must be 0 or more and below 1, got"):
            prune_channels(plain, share, {})

    def test_what_is_compressed_already(self, plain, teach):
        with pytest.raises(ValueError, match="already quantization-aware"):
            prune_channels(quantize_aware(plain, teach.images), SHARE, {})

    def test_layers_that_mix_channels(self):
        image = keras.Input((4, 4, 3))
        model = keras.Model(image, keras.layers.Flatten(name="flat")(keras.layers.Conv2D(4, 1)(image)))
        with pytest.raises(ValueError, match="layer 'flat', a Flatten, is not supported by channel pruning"):
            prune_channels(model, SHARE, {})
