"""`seesaw export_serving` writes a version, or prints one line of error and writes nothing."""

import functools
import json

import pytest


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "export_serving")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    from seesaw_keras.api import keras

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 16), keras.layers.Flatten()]).save(path)
    return path


def card(folder, name="card", **entries):
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"calibration": {"metric": "cosine", "threshold": 0.375, **entries}}))
    return path


@pytest.mark.slow
def test_a_file_becomes_the_next_version_with_the_threshold_of_its_card(run, keras_file, tmp_path):
    out = tmp_path / "models"
    done = run("--model", keras_file, "--card", card(tmp_path, far=1e-3, flip=False), "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out / 'tiny' / '1'}: all signatures verified against ")
    assert "threshold 0.375" in done.stdout
    assert "warning" not in done.stderr
    facts = json.loads((out / "tiny" / "1" / "assets.extra" / "seesaw_keras.json").read_text())
    assert (facts["threshold"], facts["variant"], facts["trained"]) == (0.375, None, True)
    assert facts["calibration"] == {"metric": "cosine", "threshold": 0.375, "far": 1e-3, "flip": False}
    for file in ("models.config", "batching_parameters.txt", "examples/README.md"):
        assert (out / file).is_file()
    done = run("--model", keras_file, "--threshold", 0.5, "--name", "tiny", "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (out / "tiny").iterdir()) == ["1", "2"]


def test_user_errors_print_one_line_and_write_nothing(run, keras_file, tmp_path):
    model, out = ("--model", keras_file), tmp_path / "models"
    for arguments, message in (
        (model, "give either --threshold or --card"),
        ((*model, "--threshold", 0.3, "--card", card(tmp_path)), "give either --threshold or --card"),
        ((*model, "--card", card(tmp_path, "flip", flip=True)), "flip.json: its threshold is for embeddings summed"),
        (
            (*model, "--card", card(tmp_path, "raw", preprocess="raw")),
            "raw.json: its threshold is for --preprocess",
        ),
        ((*model, "--card", tmp_path / "absent.json"), "absent.json"),
        ((*model, "--threshold", 0.3, "--name", "a/b"), "invalid name 'a/b': use letters, digits"),
    ):
        done = run(*arguments, "--out", out)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("export_serving: ")
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert not out.exists()
