"""The released models: what is there is what was released, and computes what it says."""

import json

import numpy as np
import pytest

from seesaw_keras.data.representative import representative_images
from seesaw_keras.files import sha256_of
from seesaw_keras.models import pretrained
from seesaw_keras.models.pretrained import SHA256, check_sha256, flatbuffer_file, released_file
from seesaw_keras.tflite.conversion.interface import pixel_table, to_float
from seesaw_keras.tflite.micro import export
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

MODELS = sorted(name.removesuffix(".int8.tflite") for name in SHA256 if name.endswith(".tflite"))


@pytest.mark.parametrize("name", SHA256)
def test_every_file_is_the_released_one_and_the_card_says_so(name):
    path = released_file(name)
    model = name.rsplit(".", 2)[0]
    card = json.loads((path.parent / f"{model}.json").read_text("utf-8"))
    assert card["sha256"][name] == sha256_of(path) == SHA256[name]


@pytest.mark.parametrize("model", MODELS)
def test_a_model_takes_no_more_than_6_megabytes(model):
    assert sum(released_file(name).stat().st_size for name in SHA256 if name.startswith(model)) <= 6e6


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_golden_vectors_come_out_of_every_exact_runtime(model):
    with np.load(released_file(f"{model}.golden.npz")) as golden:
        images, embeddings = golden["images"], golden["embeddings"]
    for name in {"numpy", "reference", "tflm"} & set(available_runtimes()):
        runtime = open_runtime(name, flatbuffer_file(model))
        table = pixel_table(runtime.model)
        found = [np.reshape(runtime.invoke(table[image][None]), -1) for image in images]
        np.testing.assert_array_equal(found, embeddings, err_msg=name)


def test_the_firmware_beside_them_is_the_export_of_micro():
    path = flatbuffer_file("micro.faces")
    folder = path.parent / "firmware"
    assert export(path).files == {file.name: file.read_text("utf-8") for file in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_float_weights_embed_as_the_integers_do(model):
    from seesaw_keras.models import build

    variant, data = model.split(".")
    network, runtime = build(variant, weights=data), open_runtime("reference", flatbuffer_file(model))
    images = representative_images(None, 4, side=network.input_shape[1])
    (output,) = runtime.model.main.outputs
    integers = np.concatenate([runtime.invoke(pixel_table(runtime.model)[image][None])[0] for image in images])
    zero_point = int(output.quantization.zero_points[0])
    embeddings = integers.astype(np.float64) - zero_point
    cosines = (embeddings * network.predict(to_float(images), verbose=0)).sum(1) / np.linalg.norm(embeddings, axis=1)
    assert cosines.mean() > 0.9  # on synthetic faces; the card lists the value on real ones


def test_a_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    (tmp_path / "one.faces.int8.tflite").write_bytes(b"changed")
    monkeypatch.setattr(pretrained, "_FOLDERS", (tmp_path, tmp_path))
    monkeypatch.setitem(SHA256, "one.faces.int8.tflite", "0" * 64)
    monkeypatch.setitem(SHA256, "two.faces.int8.tflite", "0" * 64)
    with pytest.raises(ValueError, match=r"one\.faces.int8.tflite: differs from the released file"):
        flatbuffer_file("one.faces")
    with pytest.raises(ValueError, match=r"'two.faces.int8.tflite' not found in .* or .*; reinstall the package"):
        flatbuffer_file("two.faces")
    with pytest.raises(ValueError, match=r"unknown released file 'dw_v1\.faces\.weights\.h5': did you mean"):
        released_file("dw_v1.faces.weights.h5")
    assert str(flatbuffer_file("some/file.tflite")) == "some/file.tflite"


@pytest.mark.slow
def test_weights_from_a_file_are_compared_with_what_is_known_of_them(tmp_path):
    from seesaw_keras.models import build

    changed = tmp_path / "micro.faces.weights.h5"
    changed.write_bytes(released_file(changed.name).read_bytes())
    build("micro", weights=changed)
    changed.write_bytes(changed.read_bytes() + b"0")
    with pytest.raises(ValueError, match=r"micro\.faces\.weights\.h5: the SHA-256 is not .*download it again"):
        build("micro", weights=changed)
    own, card = tmp_path / "own.weights.h5", tmp_path / "own.json"
    own.write_bytes(b"weights")
    check_sha256(own)
    card.write_text(json.dumps({"sha256": {own.name: sha256_of(own)}}), "utf-8")
    check_sha256(own)
    own.write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"own\.weights\.h5: the SHA-256 is not .*, as listed in .*own\.json;"):
        check_sha256(own)
    for something_else in ('["sha256"]', '{"sha256": "0"}', "{", '{"step": 1}'):
        card.write_text(something_else, "utf-8")
        check_sha256(own)
