"""`seesaw train`: its output folder is complete, also after interruptions."""

import csv
import json

import cv2
import numpy as np
import pytest

from seesaw_keras.files import sha256_of
from seesaw_keras.training.recipe import Recipe

SMALL = ["epochs=3", "batch_size=16", "validate_every=1", "width=0.125", "embedding_size=16"]


def command(out, *arguments, settings=SMALL):
    changes = [part for setting in settings for part in ("--set", setting)]
    return ["train", "--out", str(out), *changes, *map(str, arguments)]


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: output folder, arguments, settings= -> the finished command."""
    return lambda *arguments, **options: seesaw(*command(*arguments, **options))


def steps(out):
    with (out / "history.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def interrupted(interrupt, tmp_path_factory):
    """A training run on synthetic faces, interrupted after a checkpoint, and the command that started it."""
    out = tmp_path_factory.mktemp("training") / "out"
    line = command(out, "--data", "synthetic:24x4@32", "--verify", "synthetic:40@32")
    code, errors = interrupt(line, lambda: list(out.glob("checkpoints/step-*/state.json")))
    return out, line, code, errors


@pytest.fixture(scope="module")
def finished(interrupted, seesaw):
    """The run after the same command resumed it, and the output of that command."""
    out, line, _, _ = interrupted
    done = seesaw(*line)
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.mark.slow
def test_ctrl_c_prints_no_traceback(interrupted):
    out, _, code, errors = interrupted
    assert code == 1
    assert errors.splitlines()[-1] == "train: interrupted"
    assert "Traceback" not in errors
    assert not (out / "model.keras").exists()


@pytest.mark.slow
def test_writes_the_network_and_its_provenance(finished):
    out, done = finished
    assert "model.keras" in done.stdout.splitlines()[-1]
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert record["sha256"] == sha256_of(out / "model.keras")
    recipe = Recipe.from_json(record["recipe"])
    assert (recipe.name, recipe.epochs, recipe.width) == ("synthetic", 3, 0.125)
    assert record["teacher"] == [] and record["weights"] is None and record["data_weights"] is None
    assert record["provenance"]["command"].startswith("seesaw train --out ")
    for name in ("curves.png", "best.weights.h5", "history.csv"):
        assert (out / name).stat().st_size, name
    assert steps(out) == sorted(set(steps(out)))
    assert max(steps(out)) == 18  # 96 images in batches of 16, three times


@pytest.mark.slow
def test_the_network_loads(finished):
    from seesaw_keras.compression.loading import load_network

    out, _ = finished
    network = load_network(out / "model.keras")
    embeddings = network(np.zeros((2, 32, 32, 3), np.float32)).numpy()
    assert embeddings.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_two_data_sets_and_two_teachers(run, tmp_path, onnx_mean_model):
    """From the shell: a mixture whose second set has no labels, jittered views, PCA of two teachers."""
    (tmp_path / "one.onnx").write_bytes(onnx_mean_model)
    (tmp_path / "two.onnx").write_bytes(onnx_mean_model + b"\x12\x01 ")  # another file, the same function
    sets = [part for name in ("synthetic:10x3@32", "synthetic:7x1@32") for part in ("--data", name)]
    teachers = [part for name in ("one", "two") for part in ("--teacher", tmp_path / f"{name}.onnx")]
    pairs = [part for name in ("synthetic:40@32",) for part in ("--verify", name)]
    settings = ["epochs=1", "batch_size=8", "width=0.125", "embedding_size=4", "teacher_views=2", "degrade=0.5"]
    settings += ["cosine_weight=5", "contrast_weight=1", "bank_size=5"]
    arguments = [*sets, "--data_weights", "1,0.5", *teachers, "--teacher_preprocess", "pm1,imagenet", *pairs]
    out, cache = tmp_path / "out", tmp_path / "cache"
    done = run(out, *arguments, "--teacher_cache", cache, settings=settings)
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "run.json").read_text("utf-8"))
    assert [facts["name"] for facts in record["data"]] == ["train", "train"]
    assert record["data_weights"] == [1, 0.5]
    assert [facts["file"] for facts in record["teacher"]] == ["one.onnx", "two.onnx"]
    (targets,) = cache.glob("*.targets.npy")
    assert np.load(targets).shape == (2, 37, 4)
    assert len(list(cache.glob("*.blocks"))) == 4
    assert max(steps(out)) == 5  # 30 + 3 images in batches of 8
    with (out / "history.csv").open() as file:
        assert {"loss_cosine", "loss_contrast", "loss_margin"} <= set(next(csv.reader(file)))


def test_user_errors_print_one_line(run, tmp_path):
    faces = tmp_path / "faces"
    (faces / "somebody").mkdir(parents=True)
    cv2.imwrite(str(faces / "somebody" / "1.png"), np.zeros((32, 32, 3), np.uint8))
    for arguments, settings, message in (
        (["--recipe", "paper"], [], "--data: required by the recipe paper"),
        ([], ["epoch=4"], "did you mean 'epochs'"),
        (["--data", "absent"], [], "absent: there is no such file or folder"),
        (["--data", faces, "--teacher", "t.onnx"], [], "has no distillation loss"),
        (["--data", faces], ["cosine_weight=20"], "a model or a file of embeddings"),
        (["--data", faces, "--strategy", "multi_worker"], [], "TF_CONFIG must be like"),
        (["--data", faces, "--data_weights", "1,2"], [], "2 weights for 1 data sets"),
        (["--data", faces, "--data_weights", "much"], [], "must be numbers such as 1,0.5"),
        (
            ["--data", faces, "--teacher", "t.onnx", "--teacher_preprocess", "pm1,raw"],
            ["cosine_weight=20"],
            "2 for 1 teachers",
        ),
        (["--verify", "synthetic:40@32", "--verify", "synthetic:50@32"], [], "two sets are called 'synthetic'"),
    ):
        done = run(tmp_path / "out", *arguments, settings=settings)
        assert done.returncode == 1, message
        last = done.stderr.splitlines()[-1]
        assert last.startswith("train: ") and message in last, last
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
