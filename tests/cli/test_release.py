"""Release of a short training run: the files match each other, and a second run resumes an interrupted one."""

import hashlib
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.cli import release
from seesaw_keras.models import build

SMALL = {"variant": "mobilefacenet", "width": 0.125, "image_size": 32, "embedding_size": 16, "activation": "relu6"}
SETTINGS = [*SMALL.items(), ("batch_size", 16), ("epochs", 1), ("warmup_epochs", 0)]


@given(st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False))
def test_rounding_keeps_eleven_bits(value):
    found = release.rounded(np.array([value], np.float32))
    assert found.view(np.uint32)[0] % 2**13 == 0
    assert abs(float(found[0]) - value) <= abs(value) * 2.0**-11


@pytest.mark.slow
def test_compressed_weights_are_the_same_weights(tmp_path):
    network = build("micro", input_shape=(32, 32, 3), width=0.5)
    network.set_weights([release.rounded(array) for array in network.get_weights()])
    full, small = tmp_path / "full.weights.h5", tmp_path / "small.weights.h5"
    network.save_weights(full)
    release.compress_weights(full, small)
    again = build("micro", input_shape=(32, 32, 3), width=0.5, weights=small)
    for before, after in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert small.stat().st_size < 0.8 * full.stat().st_size
    assert h5py.is_hdf5(small)


def assert_publishable(card):
    assert len(re.findall(r"^# ", card, re.M)) == 1 and card.startswith("# ")
    assert not re.search(r"(^|[ `])(/|\.\./)\w", card)


@pytest.mark.slow
def test_a_run_becomes_a_release(seesaw, tmp_path, monkeypatch, one_block_per_stage):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(release, "run_subcommand", lambda name, words: seesaw(name, *words).returncode)
    data, verify = ["--data", "synthetic:12x4@32"], ["--verify", "synthetic:60@32"]
    settings = [part for field, value in SETTINGS for part in ("--set", f"{field}={value}")]
    assert not seesaw("train", *settings, *data, *verify, "--out", "run").returncode
    (tmp_path / "about.json").write_text(json.dumps({"Limits": "of a test"}), "utf-8")
    flags = ["--run", "run", "--name", "mobilefacenet.nobody", *data, *verify, "--far", "0.2", "--about", "about.json"]
    done = seesaw("release", *flags, "--images", "8")
    assert not done.returncode, done.stderr
    folder = tmp_path / "tflite"
    card = json.loads((folder / "mobilefacenet.nobody.json").read_text("utf-8"))
    assert len(card["sha256"]) == 3
    for name, sha256 in card["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
        assert f'"{name}": "{sha256}",' in done.stdout
    words = (folder / "mobilefacenet.nobody.md").read_text("utf-8")
    assert_publishable(words)
    assert "**Limits.** of a test" in words and f"a cosine of {card['threshold']:.4f}" in words
    assert not seesaw("release", *flags, "--images", "8").stderr.count("evaluate --model")


@pytest.mark.parametrize(
    "card", sorted((Path(__file__).parents[2] / "tflite").glob("*.md")), ids=lambda card: card.stem
)
def test_released_cards_have_one_title_and_no_folders_of_a_machine(card):
    text, record = card.read_text("utf-8"), card.with_suffix(".json").read_text("utf-8")
    assert_publishable(text)
    assert not re.search(r"(^|[ \"])(/|\.\./)\w", record)
