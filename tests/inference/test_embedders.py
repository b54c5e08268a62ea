import builtins
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from seesaw_keras.inference.embedders import StoredEmbeddings, load_embedder, load_embedder_or_stored
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)


def build():
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    return tf_keras.Sequential(
        [
            tf_keras.layers.Input((16, 16, 3)),
            tf_keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            tf_keras.layers.GlobalAveragePooling2D(),
            tf_keras.layers.Dense(6),
        ],
        name="tiny",
    )


def convert(model, kind):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([(image[None] - 127.5).astype("f4") / 127.5] for image in IMAGES)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = kind
    return converter.convert()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One tiny network in every form, and what it gives for IMAGES."""
    import tensorflow as tf

    folder, model = tmp_path_factory.mktemp("models"), build()
    model.save(folder / "tiny.keras")
    model.save(folder / "tiny.h5")
    model.export(folder / "saved")
    for name, kind in (("float", None), ("int8", tf.int8), ("uint8", tf.uint8)):
        (folder / f"{name}.tflite").write_bytes(convert(model, kind))
    return folder, model, model((IMAGES.astype(np.float32) - 127.5) / 127.5).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny.keras", "tiny.h5", "saved", "float.tflite"])
def test_float_models_of_every_form_agree(models, name):
    folder, _, expected = models
    embedder = load_embedder(folder / name)
    got = embedder.embed(IMAGES)
    assert (got.dtype, embedder.input_size, embedder.preprocess) == (np.float32, (16, 16), "pm1")
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["tiny.keras", "saved", "int8.tflite"])
def test_embedding_size_is_that_of_an_embedding(models, name):
    folder, _, expected = models
    assert load_embedder(folder / name).embedding_size == expected.shape[1]


def test_named_images_have_any_size_that_fits_and_stay_in_order(models):
    embedder = load_embedder(models[0] / "float.tflite")
    large = IMAGES[0].repeat(2, axis=0).repeat(2, axis=1)
    rows = embedder.embed_named([IMAGES[1], large, IMAGES[0]], ["a", "b", "c"])
    np.testing.assert_array_equal(rows, embedder.embed(IMAGES[[1, 0, 0]]))
    with pytest.raises(ValueError, match=r"b\.png: images of 16x15 do not fit"):
        embedder.embed_named([IMAGES[0], IMAGES[1][:, 1:]], ["a.png", "b.png"])


def test_embeddings_are_no_model(tmp_path):
    np.save(tmp_path / "rows.npy", np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"rows\.npy: contains embeddings already; give a model"):
        load_embedder(tmp_path / "rows.npy")


@pytest.mark.parametrize("name", ["int8.tflite", "uint8.tflite"])
def test_quantized_models_are_fed_and_read_by_scale_and_zero_point(models, name):
    folder, _, expected = models
    got = load_embedder(folder / name).embed(IMAGES)
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() < 0.03 * np.abs(expected).max()


@pytest.fixture(scope="module")
def own(models):
    """The tiny network as this package converts it, and a folder with the file."""
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.conversion.convert import convert as convert_own

    folder, model, _ = models
    flatbuffer.write(folder / "own.tflite", convert_own(model, images=IMAGES))
    return folder / "own.tflite"


@pytest.mark.slow
@pytest.mark.parametrize("runtime", available_runtimes())
def test_what_this_package_converted_takes_pixels_to_the_integer(own, runtime):
    """By scale and zero point every pixel would be a tie between two integers."""
    embedder = load_embedder(own, runtime=runtime)
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    given = embedder.inputs(pixels)
    assert given.dtype == np.int8
    np.testing.assert_array_equal(given, pixels.astype(int) - 128)
    program = open_runtime(runtime, own)
    made = program.run((IMAGES.astype(int) - 128).astype(np.int8))
    scale, zero_point = (
        program.model.main.outputs[0].quantization.scale,
        program.model.main.outputs[0].quantization.zero_point,
    )
    np.testing.assert_allclose(embedder.embed(IMAGES), (made.astype(float) - zero_point) * scale, rtol=1e-6)
    assert embedder.describe()["runtime"] == program.title


def test_what_this_package_converted_takes_no_other_pixels(own):
    with pytest.raises(ValueError, match=r"own\.tflite: preprocess 'raw' is not what it was converted for, 'pm1'"):
        load_embedder(own, preprocess="raw")


def test_a_keras_model_itself(models):
    _, model, expected = models
    embedder = load_embedder(model)
    np.testing.assert_allclose(embedder.embed(IMAGES), expected, atol=1e-5)
    assert embedder.describe() == {
        "name": "tiny",
        "runtime": "Keras",
        "preprocess": "pm1",
        "input_size": [16, 16],
    }


def test_more_images_than_a_batch(models):
    _, model, expected = models
    got = load_embedder(model).embed(np.tile(IMAGES, (40, 1, 1, 1)))
    np.testing.assert_allclose(got, np.tile(expected, (40, 1)), atol=1e-5)


def test_preprocess_is_applied(models):
    folder, model, _ = models
    got = load_embedder(folder / "float.tflite", preprocess="raw").embed(IMAGES)
    np.testing.assert_allclose(got, model(IMAGES.astype(np.float32)).numpy(), rtol=1e-4, atol=1e-3)


def test_description_of_files_and_folders(models):
    folder, _, _ = models
    data = (folder / "int8.tflite").read_bytes()
    described = load_embedder(folder / "int8.tflite").describe()
    assert (described["bytes"], described["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    saved = load_embedder(folder / "saved").describe()
    files = sorted(path for path in (folder / "saved").rglob("*") if path.is_file())
    assert saved["bytes"] == sum(path.stat().st_size for path in files)
    lines = subprocess.run(
        ["sha256sum", *(str(path.relative_to(folder / "saved")) for path in files)],
        cwd=folder / "saved",
        capture_output=True,
        check=True,
    ).stdout
    assert saved["sha256"] == hashlib.sha256(lines).hexdigest()


def test_litert_needs_no_tensorflow(models):
    code = (
        "import sys; from seesaw_keras.verification import load_embedder; "
        f"load_embedder({str(models[0] / 'int8.tflite')!r}); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_onnx(tmp_path, onnx_mean_model):
    path = tmp_path / "mean.onnx"
    path.write_bytes(onnx_mean_model)
    embedder = load_embedder(path, preprocess="imagenet")
    pixels = (IMAGES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(embedder.embed(IMAGES), pixels.mean(axis=(1, 2)), atol=1e-5)
    assert embedder.describe()["runtime"] == "ONNX Runtime"


def test_onnx_without_onnx_runtime(tmp_path, monkeypatch, onnx_mean_model):
    (tmp_path / "mean.onnx").write_bytes(onnx_mean_model)
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ValueError, match=r"mean\.onnx: \.onnx models need ONNX Runtime: pip install"):
        load_embedder(tmp_path / "mean.onnx")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_stored_embeddings_row_by_row(tmp_path, suffix):
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    path = tmp_path / f"rows{suffix}"
    np.save(path, rows) if suffix == ".npy" else np.savez(path, embeddings=rows)
    stored = load_embedder_or_stored(path)
    np.testing.assert_array_equal(stored.lookup(["a", "b", "c"]), rows)
    with pytest.raises(ValueError, match="3 embeddings for 4 images"):
        stored.lookup(["a", "b", "c", "d"])


def test_stored_embeddings_by_name(tmp_path):
    rows = np.arange(12.0).reshape(3, 4)
    np.savez(tmp_path / "rows.npz", embeddings=rows, names=np.array(["a", "b", "c"]))
    stored = load_embedder_or_stored(tmp_path / "rows.npz")
    np.testing.assert_array_equal(stored.lookup(["c", "a"]), rows[[2, 0]])
    with pytest.raises(ValueError, match="1 images have no embedding, the first is d"):
        stored.lookup(["a", "d"])
    with pytest.raises(ValueError, match="preprocess does not apply to stored embeddings"):
        load_embedder_or_stored(tmp_path / "rows.npz", preprocess="raw")


def test_stored_embeddings_that_are_none(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.array([{"pickled": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="not an embeddings file"):
        load_embedder_or_stored(path)
    for content in (np.ones(4), np.array([["a"]])):
        np.save(path, content)
        with pytest.raises(ValueError, match="must be a numeric array of shape"):
            StoredEmbeddings(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="not an embeddings file"):
        load_embedder_or_stored(path)
    np.savez(tmp_path / "rows.npz", rows=np.ones((2, 2)))
    with pytest.raises(ValueError, match="not an embeddings file"):
        load_embedder_or_stored(tmp_path / "rows.npz")
    np.savez(tmp_path / "rows.npz", embeddings=np.ones((2, 2)), names=np.array(["a"]))
    with pytest.raises(ValueError, match="2 embeddings but 1 names"):
        load_embedder_or_stored(tmp_path / "rows.npz")


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx", "net.keras", "net.h5"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"not a model at all, but long enough to be read as one" * 20)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        load_embedder(tmp_path / name)


def test_what_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such model"):
        load_embedder(tmp_path / "none.tflite")
    with pytest.raises(ValueError, match=r"without saved_model\.pb"):
        load_embedder(tmp_path)
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"unsupported file type: expected a model \(\.tflite, \.onnx, \.keras, \.h5\) or embeddings"
    ):
        load_embedder(tmp_path / "model.pth")
