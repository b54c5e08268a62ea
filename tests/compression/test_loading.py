"""A network from whatever names one."""

import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.compression import quantize_aware
from seesaw_keras.compression.loading import load_network

TINY = {"input_shape": (16, 16, 3), "width": 0.1, "embedding_size": 8}


@pytest.fixture(scope="module")
def tiny():
    return seesaw_keras.build("mobilefacenet", **TINY)


@pytest.mark.slow
def test_variants_are_random_of_seed_0_without_weights(tmp_path):
    model = load_network("mobilefacenet")
    for one, same in zip(model.weights, load_network("mobilefacenet").weights, strict=True):
        np.testing.assert_array_equal(one, same)
    model.weights[0].assign_add(np.ones(model.weights[0].shape))
    model.save_weights(tmp_path / "w.weights.h5")
    again = load_network("mobilefacenet", weights=tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(again.weights[0], model.weights[0])


@pytest.mark.slow
def test_files_and_folders(tiny, tmp_path):
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    expected = tiny(image).numpy()
    tiny.save(tmp_path / "tiny.keras")
    np.testing.assert_allclose(load_network(tmp_path / "tiny.keras")(image), expected, atol=1e-6)
    with contextlib.redirect_stdout(io.StringIO()):
        tiny.export(str(tmp_path / "saved"))
    (made,) = load_network(str(tmp_path / "saved")).signatures["serving_default"](tf.constant(image)).values()
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"shufle: not a file, a folder or a variant; .* share, shuffle"):
        load_network("shufle")
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(ValueError, match=r"text\.keras: .*cannot load it as a \.keras file"):
        load_network(tmp_path / "text.keras")
    with pytest.raises(ValueError, match="contains its own weights"):
        load_network(tmp_path / "text.keras", weights="w.h5")
    with pytest.raises(ValueError, match=r"without saved_model\.pb"):
        load_network(tmp_path)


def test_a_quantization_aware_keras_file_is_refused_with_the_remedy(tmp_path):
    image = keras.Input((8, 8, 3))
    aware = quantize_aware(keras.Model(image, keras.layers.Conv2D(4, 3)(image)), np.zeros((1, 8, 8, 3), np.float32))
    aware.save(tmp_path / "aware.keras")
    with pytest.raises(ValueError, match=r"aware\.keras: .*save it with model\.export\(folder\)"):
        load_network(tmp_path / "aware.keras")
