import json

import cv2
import h5py
import numpy as np
import pytest

from seesaw_keras.api import keras
from seesaw_keras.data.records import Pairs
from seesaw_keras.reports.verification_plots import score_histogram
from seesaw_keras.training.callbacks import validation
from seesaw_keras.training.callbacks.validation import BEST, BEST_WEIGHTS, Validation
from seesaw_keras.training.recipe import Recipe
from seesaw_keras.verification.evaluation import evaluate

SIDE = 8


def some_pairs(seed, count=40):
    """Pairs of images: the genuine ones are the same picture with noise."""
    generator = np.random.default_rng(seed)
    faces = generator.integers(40, 216, (count, 4, 4, 3)).repeat(2, 1).repeat(2, 2)
    noisy = [np.clip(face + generator.normal(0, 12, face.shape), 0, 255) for face in faces.repeat(2, axis=0)]
    images = [cv2.imencode(".png", image.astype(np.uint8))[1].tobytes() for image in noisy]
    left = np.arange(0, 2 * count, 2)
    index = np.concatenate([np.stack([left, left + 1], 1), np.stack([left, (left + 3) % (2 * count)], 1)])
    same = np.arange(2 * count) < count
    return Pairs(
        [f"{i // 2}/{i}.png" for i in range(2 * count)], index, same, np.arange(2 * count) % 10, images.__getitem__
    )


def make_model(seed=0):
    keras.utils.set_random_seed(seed)
    given = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(given)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(given, keras.layers.Flatten()(x))


def blind(model):
    """Makes the network give all images the same embedding, and returns it."""
    gamma, beta, mean, variance = model.layers[2].get_weights()
    model.layers[2].set_weights([0 * gamma, beta + 1, mean, variance])
    return model


@pytest.fixture(scope="module")
def pairs():
    return some_pairs(0)


@pytest.fixture
def start(make_run, pairs):
    """Function: a validation that has begun."""

    def begin(sets=None, flip=False, **changes):
        callback = Validation(sets or {"faces": pairs}, flip=flip, draw=score_histogram)
        callback.begin(make_run(**changes))
        return callback

    return begin


def test_figures_are_those_of_evaluate(start, pairs, tmp_path):
    sets = {"faces": pairs, "more": some_pairs(1)}
    model = make_model()
    report = start(sets).validate(10, model)
    wanted = {}
    for name, each in sets.items():
        images = np.stack([cv2.imdecode(np.frombuffer(each.read(i), np.uint8), 1)[:, :, ::-1] for i in range(80)])
        rows = model(images.astype(np.float32) / 127.5 - 1, training=False).numpy()
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = (rows[each.index[:, 0]] * rows[each.index[:, 1]]).sum(axis=1)
        wanted[f"{name}_auc"] = (cosines[each.same][:, None] > cosines[~each.same]).mean()
        wanted[f"{name}_accuracy"] = 100 * evaluate(validation.load_embedder(model), each).ten_fold.accuracy
    assert report.step == 10
    assert report.metrics == pytest.approx(wanted, abs=1e-4)
    assert {name: png[:4] for name, png in report.pictures.items()} == dict.fromkeys(
        ["faces_scores", "more_scores"], b"\x89PNG"
    )
    best = json.loads((tmp_path / BEST).read_text())
    assert best["accuracy"] == pytest.approx((wanted["faces_accuracy"] + wanted["more_accuracy"]) / 2)
    assert best["figures"] == report.metrics


def test_the_best_weights_are_kept(start, make_run, tmp_path):
    callback, model = start(), make_model()
    first = callback.validate(10, model)
    kept = model.get_weights()
    second = callback.validate(20, blind(model))
    assert second.metrics["faces_accuracy"] == 50.0
    other = make_model(seed=1)
    other.load_weights(tmp_path / BEST_WEIGHTS)
    for stored, weight in zip(other.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(stored, weight)
    best = json.loads((tmp_path / BEST).read_text())
    assert (best["step"], best["epoch"]) == (10, 1.0)
    assert best["accuracy"] == first.metrics["faces_accuracy"]
    assert Recipe.from_json(best["recipe"]) == make_run().recipe


def test_a_resumed_run_keeps_its_best_accuracy(start, tmp_path):
    good, bad = make_model(), blind(make_model())
    accuracy = start().validate(10, good).metrics["faces_accuracy"]
    start(first_step=10).validate(20, bad)
    assert json.loads((tmp_path / BEST).read_text())["accuracy"] == accuracy
    (tmp_path / BEST_WEIGHTS).unlink()
    callback = start()
    callback.validate(10, bad)
    start(first_step=10).validate(20, good)
    assert json.loads((tmp_path / BEST).read_text())["step"] == 20


def test_a_kill_between_weights_and_facts_does_no_harm(start, tmp_path, monkeypatch):
    callback = start()
    callback.validate(10, blind(make_model()))
    with monkeypatch.context() as patch:
        patch.setattr(validation, "_write_json", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            callback.validate(20, make_model())
    assert json.loads((tmp_path / BEST).read_text())["step"] == 10
    start(first_step=10)
    best = json.loads((tmp_path / BEST).read_text())
    assert best["step"] == 20
    with h5py.File(tmp_path / BEST_WEIGHTS) as file:
        assert json.loads(file.attrs["seesaw_keras"]) == best


def test_a_full_disk_keeps_the_best_before(start, tmp_path, monkeypatch):
    callback = start()
    callback.validate(10, blind(make_model()))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model = make_model()

    def save_weights(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save_weights", save_weights)
    with pytest.raises(OSError, match="No space left"):
        callback.validate(20, model)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_network_is_traced_once(start):
    traced = []

    class Noting(keras.layers.Layer):
        def call(self, x):
            traced.append(x.shape)
            return x

    inner = make_model()
    model = keras.Model(inner.inputs, Noting()(inner.outputs[0]))
    traced.clear()
    callback = start({"faces": some_pairs(0), "more": some_pairs(1, count=25)})
    first = callback.validate(10, model)
    blind(inner)
    second = callback.validate(20, model)
    assert len(traced) == 1
    assert first.metrics["faces_accuracy"] > 90 and second.metrics["faces_accuracy"] == 50


@pytest.mark.slow
@pytest.mark.parametrize("what", ["recipe", "pairs_sha256", "flip"])
def test_the_best_of_another_training_is_refused(what, start, make_run, tmp_path):
    start().validate(10, make_model())
    before = (tmp_path / BEST_WEIGHTS).read_bytes()
    changes = {
        "recipe": {"recipe": make_run().recipe.override(["m=0.4"])},
        "pairs_sha256": {"sets": {"faces": some_pairs(1, count=25)}},
        "flip": {"flip": True},
    }
    with pytest.raises(ValueError, match=f"best.weights.h5: its {what} differs from this run; move it away"):
        start(**changes[what])
    assert (tmp_path / BEST_WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("damage", ["no HDF5", "no facts", "no JSON", "no object"])
def test_weights_of_unknown_origin_are_refused(damage, start, tmp_path):
    path = tmp_path / BEST_WEIGHTS
    if damage == "no HDF5":
        path.write_bytes(b"weights")
    else:
        with h5py.File(path, "w") as file:
            if damage != "no facts":
                file.attrs["seesaw_keras"] = {"no JSON": "{", "no object": "[]"}[damage]
    with pytest.raises(ValueError, match=r"best\.weights\.h5: not written by a validation, or damaged .*move it away"):
        start()


def test_a_set_is_needed():
    with pytest.raises(ValueError, match="needs at least one set of pairs"):
        Validation({})
