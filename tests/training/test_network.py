"""The network of a recipe, and weights of others that it starts from."""

import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.training.network import build_network, start_from
from seesaw_keras.training.recipe import get_recipe

RECIPE = get_recipe("synthetic")


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A trained network for 32x32 pixels and the file of its weights."""
    network = build_network(RECIPE, normalize=True)
    random = np.random.default_rng(0)
    network.set_weights([array + random.random(array.shape, np.float32) for array in network.get_weights()])
    path = tmp_path_factory.mktemp("before") / "best.weights.h5"
    network.save_weights(str(path))
    return network, path


@pytest.mark.slow
def test_the_recipe_decides_on_the_network():
    recipe = RECIPE.override(["image_size=48", "embedding_size=24", "variant=shuffle", "activation=relu"])
    network = build_network(recipe, normalize=False)
    assert network.input_shape == (None, 48, 48, 3) and network.output_shape == (None, 24)
    expected = seesaw_keras.build(
        "shuffle", input_shape=(48, 48, 3), embedding_size=24, width=0.25, activation="relu", normalize=False
    )
    assert [layer.name for layer in network.layers] == [layer.name for layer in expected.layers]


@pytest.mark.slow
def test_all_weights_come_from_the_same_network(before):
    network, path = before
    other = build_network(RECIPE, normalize=False)
    assert start_from(other, path) == []
    assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), network.get_weights(), strict=True))


@pytest.mark.slow
def test_what_depends_on_the_size_of_images_stays_random(before):
    network, path = before
    other = build_network(RECIPE.override(["image_size=64"]), normalize=True)
    random = other.get_weights()
    assert start_from(other, path) == ["head_dw_conv/depthwise_kernel:0"]
    for variable, first, now, wanted in zip(
        other.weights, random, other.get_weights(), network.get_weights(), strict=True
    ):
        kept = variable.name == "head_dw_conv/depthwise_kernel:0"
        assert np.array_equal(now, first if kept else wanted), variable.name


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["width=0.5", "variant=shuffle"])
def test_another_network_is_refused(before, settings):
    with pytest.raises(ValueError, match=r"best\.weights\.h5' belongs to a different network"):
        start_from(build_network(RECIPE.override([settings]), normalize=True), before[1])


def test_what_is_no_file_of_weights_is_refused(before, tmp_path):
    (tmp_path / "no.weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"no\.weights\.h5' cannot be read"):
        start_from(before[0], tmp_path / "no.weights.h5")
    with pytest.raises(ValueError, match="no such file"):
        start_from(before[0], tmp_path / "other.weights.h5")
