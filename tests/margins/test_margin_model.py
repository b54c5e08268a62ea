import numpy as np
import pytest

from seesaw_keras import build
from seesaw_keras.api import keras
from seesaw_keras.margins import Margin, list_margins, make_margin, with_margin

CLASSES = 10


def network(normalize=True):
    image = keras.Input((8,), name="image")
    x = keras.layers.Dense(16)(image)
    return keras.Model(image, keras.layers.UnitNormalization(dtype="float32")(x) if normalize else x)


def batch(n=20, seed=0):
    r = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    return (r.normal(size=(CLASSES, 8))[labels] + 0.1 * r.normal(size=(n, 8))).astype(np.float32), labels


@pytest.mark.parametrize("name", list_margins())
def test_margins_survive_saving_as_keras(name, tmp_path):
    keras.utils.set_random_seed(1)
    x, labels = batch()
    model = with_margin(network(), CLASSES, margin=name, sample_rate=0.5)
    model([x, labels], training=True)  # moves the statistics
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(again([x, labels]), model([x, labels]), atol=1e-5)
    assert again.layers[-1].get_config() == model.layers[-1].get_config()


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [("arcface", {}), ("arcface", {"sample_rate": 0.6}), ("magface", {"l_a": 0.5, "u_a": 5.0}), ("curricularface", {})],
)
def test_with_margin_trains_by_plain_fit(name, kwargs):
    keras.utils.set_random_seed(0)
    x, labels = batch()
    embed = network()
    model = with_margin(embed, CLASSES, margin=name, s=16.0, m=0.3, **kwargs)
    model.compile(
        keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    before = embed.get_weights()[0].copy()
    model.fit([x, labels], labels, batch_size=10, epochs=25, verbose=0)
    _, accuracy = model.evaluate([x, labels], labels, verbose=0)
    assert accuracy > 0.8
    assert np.abs(embed.get_weights()[0] - before).max() > 0.01  # one set of weights


def test_with_margin_takes_a_network_of_this_package_in_mixed_precision(keras_policy):
    keras_policy("mixed_float16")
    embed = build("mobilefacenet", width=0.125, input_shape=(32, 32, 3), embedding_size=16)
    model = with_margin(embed, CLASSES)
    assert [tensor.name for tensor in model.inputs] == ["image", "label"]
    logits = model([np.zeros((2, 32, 32, 3), np.float32), np.array([0, 3])])
    assert logits.shape == (2, CLASSES)
    assert logits.dtype == "float32"
    assert (model.layers[-1].s, model.layers[-1].m) == (64.0, 0.5)


@pytest.mark.parametrize("name", ["magface", "adaface"])
def test_margins_that_need_norms_get_the_unnormalized_embedding(name):
    x, labels = batch()
    embed, plain = network(), network(normalize=False)
    plain.set_weights(embed.get_weights())
    one, other = (with_margin(n, CLASSES, margin=name) for n in (embed, plain))
    other.layers[-1].set_weights(one.layers[-1].get_weights())
    np.testing.assert_allclose(one([100 * x, labels]), other([100 * x, labels]), atol=1e-4)
    assert np.abs(one([100 * x, labels]) - one([x, labels])).max() > 0.1

    image = keras.Input((8,))
    hidden = keras.Model(image, keras.layers.Lambda(lambda x: x / 2)(keras.layers.Dense(4)(image)))
    with pytest.raises(ValueError, match="depends on the embedding norms"):
        with_margin(hidden, CLASSES, margin=name)
    assert with_margin(hidden, CLASSES, margin="arcface").output_shape == (None, CLASSES)


def test_impossible_models_and_arguments_are_named():
    with pytest.raises(ValueError, match="one input and one output"):
        with_margin(keras.Sequential([keras.layers.Dense(3)]), CLASSES)
    with pytest.raises(ValueError, match=r"unknown margin 'arcfaces': did you mean 'arcface'\?"):
        make_margin("arcfaces", CLASSES)
    for arguments, message in [
        ({"num_classes": 1}, "num_classes must be 2 or more"),
        ({"num_classes": 5, "s": 0.0}, "s must be a positive number"),
        ({"num_classes": 5, "m": -0.1}, "m must be from 0 to 3.14159"),
        ({"num_classes": 5, "sample_rate": 0.0}, "sample_rate must be above 0"),
        ({"num_classes": 5, "sample_rate": 1.5}, "sample_rate must be above 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_margin("arcface", **arguments)
    with pytest.raises(ValueError, match="m must be 0, since it has no margin"):
        make_margin("normface", 5, m=0.5)
    with pytest.raises(ValueError, match="u_m <= pi"):
        make_margin("magface", 5, m=0.9)
    with pytest.raises(ValueError, match="multiplicative above 0"):
        make_margin("combined", 5, multiplicative=0.0)
    with pytest.raises(ValueError, match="subcenters must be 1 or more"):
        make_margin("subcenter_arcface", 5, subcenters=0)
    with pytest.raises(ValueError, match="h must be above 0"):
        make_margin("adaface", 5, h=0.0)
    with pytest.raises(ValueError, match=r"must be \(batch, embedding_size\)"):
        make_margin("arcface", 5).forward(np.ones((2, 3, 4)), np.zeros(2, int))


def test_a_margin_needs_no_more_than_the_hook():
    class Harder(Margin):
        def apply_margin(self, cosines):
            return cosines.target - self.m, cosines.all

    x, labels = batch()
    mine, known = Harder(CLASSES, m=0.35), make_margin("cosface", CLASSES)
    mine.build((None, 8))
    known.build([(None, 8), (None,)])
    known.centers.assign(mine.centers)
    np.testing.assert_array_equal(mine([x, labels]), known([x, labels[:, None]]))
