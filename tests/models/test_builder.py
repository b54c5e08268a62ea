"""Every variant: shapes, saving, precision, sizes, widths, gradients; and bad arguments."""

import numpy as np
import pytest
import tensorflow as tf

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.models.configs import ACTIVATIONS, get_config, list_models

VARIANTS = list_models()
pytestmark = pytest.mark.usefixtures("one_block_per_stage")
SMALL = {"input_shape": (32, 32, 3), "width": 0.25, "embedding_size": 16}


def images(count=2, side=32, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


def randomize_gammas(model, seed=1):
    """Zero-initialized gammas would hide whole branches from a test."""
    r = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(r.uniform(0.8, 1.2, layer.gamma.shape))


@pytest.fixture(scope="module", params=VARIANTS)
def small(request, one_block_per_stage):
    """A quarter-width 32x32 network of every variant in turn, all of its branches alive."""
    keras.utils.set_random_seed(0)  # the deep networks amplify rounding by a factor that depends on their weights
    model = seesaw_keras.build(request.param, **SMALL)
    randomize_gammas(model)
    return model


@pytest.fixture
def variant(small):
    return small.name.removeprefix("seesaw_")


class TestEveryVariant:
    @pytest.mark.slow
    def test_is_one_flat_functional_model_from_images_to_unit_vectors(self, small):
        assert type(small).__name__ == "Functional"
        assert not any(isinstance(layer, (keras.Model, keras.layers.Lambda)) for layer in small.layers)
        assert not any(type(layer).__name__ in ("TFOpLambda", "SlicingOpLambda", "Dense") for layer in small.layers)
        embeddings = small(images()).numpy()
        assert embeddings.shape == (2, 16)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)

    @pytest.mark.slow
    def test_survives_its_files(self, small, variant, tmp_path):
        expected = small(images()).numpy()
        small.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(again(images()), expected, atol=1e-5)
        small.export(tmp_path / "saved")
        served = tf.saved_model.load(str(tmp_path / "saved"))
        np.testing.assert_allclose(served.serve(images()), expected, atol=1e-4)
        small.save_weights(tmp_path / "w.weights.h5")
        again = seesaw_keras.build(variant, weights=tmp_path / "w.weights.h5", **SMALL)
        np.testing.assert_array_equal(again(images()), expected)

    @pytest.mark.slow
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_computes_in_half_precision_and_returns_float32(self, small, variant, policy, keras_policy):
        keras_policy(policy)
        half = seesaw_keras.build(variant, normalize=policy == "mixed_float16", **SMALL)
        half.set_weights(small.get_weights())
        assert half.get_layer("stem_conv").compute_dtype == policy.removeprefix("mixed_")
        result, expected = half(images()), small(images())
        assert result.dtype == tf.float32
        # networks with random weights amplify rounding; a lost or doubled cast would leave nothing in common
        assert np.all(np.sum(result * expected, axis=1) / np.linalg.norm(result, axis=1) > 0.9)

    @pytest.mark.slow
    @pytest.mark.parametrize(("side", "width"), [(16, 0.25), (64, 0.5)])
    def test_takes_other_sizes_and_widths(self, variant, side, width):
        model = seesaw_keras.build(variant, input_shape=(side, side, 3), width=width, embedding_size=16)
        assert model(images(side=side)).shape == (2, 16)
        assert model.get_layer("head_dw_conv").kernel_size == (side // 16, side // 16)
        assert model.get_layer("stem_conv").filters == get_config(variant).stem * width

    @pytest.mark.slow
    def test_training_reaches_every_weight(self, small):
        """Gradients reach all trainable weights, and training mode updates all moving statistics."""
        before = [weight.numpy() for weight in small.non_trainable_weights]
        target = np.random.default_rng(2).normal(size=(8, 16)).astype(np.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(small(images(8), training=True) * target)
        gradients = tape.gradient(loss, small.trainable_weights)
        pairs = zip(small.trainable_weights, gradients, strict=True)
        assert not [weight.name for weight, gradient in pairs if gradient is None or not np.any(gradient)]
        pairs = zip(small.non_trainable_weights, before, strict=True)
        assert not [weight.name for weight, old in pairs if np.array_equal(weight, old)]


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_replaces_the_whole_trunk(activation):
    model = seesaw_keras.build("shuffle", activation=activation, se_activation=activation, **SMALL)
    kinds = {type(layer).__name__ for layer in model.layers}
    wanted = {"swish": "Swish", "hard_swish": "HardSwish", "prelu": "PReLU", "relu": "ReLU", "relu6": "ReLU"}
    assert wanted[activation] in kinds
    assert not kinds & (set(wanted.values()) - {wanted[activation]})
    assert model(images()).shape == (2, 16)


@pytest.mark.slow
def test_activation_before_or_after_concatenation_is_the_same_function():
    """ReLU fuses into the branches, swish follows their concatenation: both must see every channel once."""
    relu = seesaw_keras.build("phone", activation="relu", **SMALL)
    relu6 = seesaw_keras.build("phone", activation="relu6", **SMALL)
    prelu = seesaw_keras.build("phone", activation="prelu", **SMALL)
    by_name = {weight.name: weight for weight in relu.weights}
    for model in (relu6, prelu):
        for weight in model.weights:
            if weight.name in by_name:
                weight.assign(by_name[weight.name])
            else:
                weight.assign(np.zeros(weight.shape))  # a PReLU of slope zero is a ReLU
    np.testing.assert_allclose(prelu(images()), relu(images()), atol=1e-5)


def test_the_stem_that_a_variant_fixes_stays():
    model = seesaw_keras.build("shuffle_hard", activation="swish", **SMALL)
    assert type(model.get_layer("stem_act")).__name__ == "ReLU"
    assert type(model.get_layer("head_act")).__name__ == "Swish"


def test_zero_gammas_make_residual_blocks_the_identity():
    model = seesaw_keras.build("shuffle_hard", **SMALL)
    block = keras.Model(
        model.get_layer("stage1_down_project_concat").output, model.get_layer("stage1_block1_add").output
    )
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 16)).astype(np.float32)
    np.testing.assert_array_equal(block(x), x)
    assert np.all(model.get_layer("stage1_down_project_wide_bn").gamma.numpy() == 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "shufle"}, "did you mean 'shuffle'"),
        ({"input_shape": (100, 100, 3)}, "multiple of 16"),
        ({"input_shape": (0, 0, 3)}, "multiple of 16"),
        ({"input_shape": (-16, -16, 3)}, "multiple of 16"),
        ({"input_shape": (112, 96, 3)}, r"\(side, side, 3\)"),
        ({"input_shape": (112, 112, 1)}, r"\(side, side, 3\)"),
        ({"input_shape": (112, 112)}, r"\(side, side, 3\)"),
        ({"width": 0}, "width must be a positive number"),
        ({"width": -1.0}, "width must be a positive number"),
        ({"width": float("nan")}, "width must be a positive number"),
        ({"embedding_size": 0}, "embedding_size must be a positive integer, got 0"),
        ({"activation": "gelu"}, "unknown activation 'gelu'"),
        ({"se_activation": "gelu"}, "unknown se_activation 'gelu'"),
        ({"weights": "/nowhere/w.weights.h5"}, "there is no file '/nowhere/w.weights.h5'"),
    ],
)
def test_bad_arguments_are_one_clear_value_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        seesaw_keras.build(**arguments)


@pytest.mark.slow
def test_weights_of_another_network_are_refused_by_name(tmp_path):
    seesaw_keras.build("share", **SMALL).save_weights(tmp_path / "w.weights.h5")
    (tmp_path / "noise.weights.h5").write_bytes(b"noise" * 100)
    with pytest.raises(ValueError, match="does not fit seesaw_mobilefacenet"):
        seesaw_keras.build("mobilefacenet", weights=tmp_path / "w.weights.h5", **SMALL)
    with pytest.raises(ValueError, match=r"noise\.weights\.h5"):
        seesaw_keras.build("share", weights=tmp_path / "noise.weights.h5", **SMALL)
