"""Networks that lose entries of their kernels while they are trained."""

import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.compression import PruningNetwork, quantize_aware, sparsities_of
from seesaw_keras.compression.pruning import PARTS, kernel_of, prunable_layers
from seesaw_keras.tflite.conversion.convert import convert
from seesaw_keras.training.callbacks.callback import Callback

SPARSITIES = {"stage1_project_conv": 0.5, "embedding_conv": 0.75}


def names(layers):
    return [layer.name for layer in layers]


def test_stem_depthwise_and_squeeze_excite_stay_dense_unless_asked(plain):
    assert names(prunable_layers(plain)) == ["stage1_project_conv", "embedding_conv"]
    assert names(prunable_layers(plain, ["stem"])) == ["stem_conv", "stage1_project_conv", "embedding_conv"]
    assert "stage1_dw_conv" in names(prunable_layers(plain, ["depthwise"]))
    assert "stage1_se_reduce_conv" in names(prunable_layers(plain, ["squeeze_excite"]))
    with pytest.raises(ValueError, match=r"unknown part 'head': .* All: stem, depthwise, squeeze_excite"):
        prunable_layers(plain, ["head"])


@pytest.mark.slow
def test_of_a_real_network_nearly_all_that_is_not_squeeze_excite_is_prunable():
    model = seesaw_keras.build("phone", input_shape=(32, 32, 3), width=0.25)
    layers = prunable_layers(model)
    assert len(layers) == 6 * 4 + 2 and names(layers)[-1] == "embedding_conv"
    kernels = sum(kernel_of(layer).shape.num_elements() for layer in layers)
    dense = [layer for layer in prunable_layers(model, PARTS) if layer not in layers]
    assert len(dense) == 2 + 1 + 6 + 6 * 2
    assert kernels > 0.6 * sum(kernel_of(layer).shape.num_elements() for layer in [*layers, *dense])


class Sparsity(Callback):
    """Keeps the sparsity of one layer after each step."""

    def __init__(self, given):
        self.after = {}
        self._build = given.build
        given.build = self.build

    def build(self, total_steps, *, normalize):
        self.network = self._build(total_steps, normalize=normalize)
        return self.network

    def step(self, report):
        (layer,) = (layer for layer in self.network.layers if layer.name.endswith("embedding_conv"))
        self.after[report.step] = float(np.mean(layer.pruning_vars[0][1].numpy() == 0))


@pytest.mark.slow
def test_the_wanted_share_is_zero_at_the_end_and_rises_before(plain, teach):
    before = plain.get_weights()
    given = PruningNetwork(plain, SPARSITIES)
    watch = Sparsity(given)
    trained = teach(given, callbacks=[watch])
    sparse = given.finished(trained)
    found = sparsities_of(sparse)
    for name in found:
        assert found[name] == pytest.approx(SPARSITIES.get(name, 0.0), abs=0.01), name
    course = [watch.after[step] for step in sorted(watch.after)]
    assert len(course) == 8 and course == sorted(course)
    assert course[0] < 0.7 and course[-1] == pytest.approx(0.75, abs=0.01)
    assert all(np.array_equal(old, new) for old, new in zip(before, plain.get_weights(), strict=True))
    images = teach.images
    unwrapped = (layer for layer in trained.layers if "embedding_conv" in layer.name)
    for layer in unwrapped:
        layer.layer.kernel.assign(layer.layer.kernel * layer.pruning_vars[0][1])
    np.testing.assert_allclose(sparse(images), trained(images), atol=1e-5)
    assert [layer.name for layer in sparse.layers] == [layer.name for layer in plain.layers]


@pytest.mark.slow
def test_two_of_four_neighboring_channels(plain, teach):
    given = PruningNetwork(plain, None, also=["squeeze_excite"])
    sparse = given.finished(teach(given))
    pruned = ["stage1_se_reduce_conv", "stage1_project_conv", "embedding_conv"]
    for name in pruned:
        kernel = sparse.get_layer(name).kernel.numpy()
        fours = np.moveaxis(kernel, 2, -1).reshape(-1, 4) != 0
        np.testing.assert_array_equal(fours.sum(1), 2)
        first = np.abs(plain.get_layer(name).kernel.numpy())
        order = np.argsort(np.moveaxis(first, 2, -1).reshape(-1, 4), axis=1)
        np.testing.assert_array_equal(np.take_along_axis(fours, order, 1)[:, 2:], True)  # the two largest are left
    assert sparsities_of(sparse)["stem_conv"] == 0


@pytest.mark.slow
def test_depthwise_kernels_when_asked(plain, teach):
    given = PruningNetwork(plain, {"stage1_dw_conv": 0.5, "stem_conv": 0.25})
    found = sparsities_of(given.finished(teach(given)))
    assert found["stage1_dw_conv"] == pytest.approx(0.5, abs=0.02)
    assert found["stem_conv"] == pytest.approx(0.25, abs=0.01)


@pytest.mark.slow
def test_goes_on_where_it_was_stopped(plain, teach):
    def make():
        return PruningNetwork(plain, SPARSITIES)

    given = make()
    straight = given.finished(teach(given, "straight"))
    for step in (3, 5):
        with pytest.raises(InterruptedError):
            teach(make(), stop_at=step)
    given = make()
    pieces = given.finished(teach(given))
    for one, other in zip(straight.get_weights(), pieces.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"network\.sparsities\.embedding_conv = 0\.75, not 0\.5"):
        teach(PruningNetwork(plain, {**SPARSITIES, "embedding_conv": 0.5}))


@pytest.mark.slow
def test_zeros_are_zeros_in_the_integers_of_the_flatbuffer(plain, teach):
    given = PruningNetwork(plain, SPARSITIES)
    sparse = given.finished(teach(given))
    graph = convert(quantize_aware(sparse, teach.images)).main
    for name, sparsity in SPARSITIES.items():
        (weights,) = (
            tensor for tensor in graph.tensors if tensor.name.startswith(name[:8]) and "/weights" in tensor.name
        )
        zeros = np.moveaxis(kernel_of(sparse.get_layer(name)).numpy(), 3, 0) == 0
        assert zeros.mean() == pytest.approx(sparsity, abs=0.01)
        assert not weights.data[zeros].any()


class TestRefuses:
    def test_shares_and_names(self, plain):
        with pytest.raises(ValueError, match=r"sparsity must be 0 or more and below 1, got 1\.5 for 'embedding_conv'"):
            PruningNetwork(plain, {"embedding_conv": 1.5})
        with pytest.raises(ValueError, match="plain: no convolution named 'head_conv'"):
            PruningNetwork(plain, {"head_conv": 0.5})

    def test_what_is_compressed_already(self, plain, teach):
        with pytest.raises(ValueError, match="already being pruned; compress the original network"):
            PruningNetwork(PruningNetwork(plain, SPARSITIES).build(8, normalize=False), SPARSITIES)
        with pytest.raises(ValueError, match="already quantization-aware"):
            PruningNetwork(quantize_aware(plain, teach.images), SPARSITIES)
        with pytest.raises(ValueError, match="only a functional Keras model"):
            PruningNetwork(keras.Sequential(), SPARSITIES)

    def test_weights_beside_a_given_network(self, plain, tmp_path):
        from seesaw_keras.training.recipe import get_recipe
        from seesaw_keras.training.trainer import train

        given = PruningNetwork(plain, SPARSITIES)
        with pytest.raises(ValueError, match="network cannot be combined with weights or with several replicas"):
            train(get_recipe("synthetic"), "nowhere", tmp_path, network=given, weights="w.weights.h5")
