"""Exclusion of people near a test set, by an embedder whose directions are known."""

import shutil

import cv2
import numpy as np
import pytest

from seesaw_keras.data.preparation.near import Exclusion
from seesaw_keras.data.preparation.prepare import prepare_faces
from seesaw_keras.inference.embedders import Embedder
from seesaw_keras.inference.preprocessing import InputLayout


class ColorEmbedder:
    """Embeds images of one color as that color less gray, so directions are known."""

    def __init__(self):
        self.images = 0

    def __call__(self, images):
        assert images.dtype == np.uint8 and images.shape[3] == 3
        self.images += len(images)
        return images.mean((1, 2)) - 127.5


def _color_folder(folder, people):
    for name, colors in people.items():
        (folder / name).mkdir(parents=True)
        for number, color in enumerate(colors):
            size = 4 + number % 2  # two sizes, of which a model gets its own
            pixels = np.broadcast_to(np.uint8(color)[::-1], (size, size, 3))
            cv2.imwrite(str(folder / name / f"{number}.png"), pixels)
    return folder


class Called(Embedder):
    """A function as an embedder."""

    def __init__(self, embed):
        super().__init__("color", InputLayout(8, 8, channels_first=False), "raw", None)
        self._function = embed

    def embed(self, images):
        return self._function(images)

    def describe(self):
        return {"name": self.name}


def _exclusion(path, embed, cosine=0.5):
    return Exclusion(path, Called(embed), cosine)


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    generator = np.random.default_rng(0)
    ours = {f"p{i:03d}": generator.integers(0, 256, (1 + i % 4, 3)) for i in range(90)}
    theirs = {f"t{i}": generator.integers(0, 256, (1 + i % 3, 3)) for i in range(4)}
    return _color_folder(folder / "ours", ours), _color_folder(folder / "theirs", theirs), ours, theirs


def _direction(colors):
    rows = np.asarray(colors, np.float64) - 127.5
    mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(0)
    return mean / np.linalg.norm(mean)


def test_people_near_a_test_set_are_left_out(colors, tmp_path, table):
    folder, near, ours, theirs = colors
    manifest = prepare_faces(folder, tmp_path / "out", exclusion=_exclusion(near, ColorEmbedder(), 0.9), processes=1)
    best = {
        name: max((float(_direction(images) @ _direction(others)), other) for other, others in theirs.items())
        for name, images in ours.items()
    }
    gone = {name for name, (cosine, _) in best.items() if cosine >= 0.9}
    assert 5 < len(gone) < 60
    assert manifest["left_out"]["near"] == sum(len(ours[name]) for name in gone)
    kept = [row["identity"] for row in table(tmp_path / "out" / "train" / "identities.csv")]
    assert kept == sorted(set(ours) - gone)
    rows = [row for row in table(tmp_path / "out" / "left_out.csv") if row["reason"] == "near"]
    assert {row["identity"]: row["detail"] for row in rows} == {
        name: f"cosine {best[name][0]:.3f} to the identity of {best[name][1]}/0.png" for name in gone
    }
    assert manifest["exclude_near"]["embedder"] == {"name": "color"}
    assert manifest["exclude_near"]["cosine"] == 0.9


def test_an_interrupted_embedding_goes_on(colors, tmp_path, tree):
    folder, near, _, _ = colors
    whole, stopped = ColorEmbedder(), ColorEmbedder()
    prepare_faces(folder, tmp_path / "whole", exclusion=_exclusion(near, whole), processes=1)

    def stopping(images):
        if stopped.images > 0.8 * whole.images:
            raise KeyboardInterrupt
        return stopped(images)

    with pytest.raises(KeyboardInterrupt):
        prepare_faces(folder, tmp_path / "stopped", exclusion=_exclusion(near, stopping), processes=1)
    resumed = ColorEmbedder()
    prepare_faces(folder, tmp_path / "stopped", exclusion=_exclusion(near, resumed), processes=1)
    assert resumed.images < whole.images / 2
    assert tree(tmp_path / "stopped") == tree(tmp_path / "whole")


def test_another_embedder_or_threshold_is_another_run(colors, tmp_path):
    folder, near, _, _ = colors
    prepare_faces(folder, tmp_path / "out", exclusion=_exclusion(near, ColorEmbedder()), processes=1)
    with pytest.raises(ValueError, match=r"exclude_near\.cosine = 0\.5, not 0\.6"):
        prepare_faces(folder, tmp_path / "out", exclusion=_exclusion(near, ColorEmbedder(), 0.6))
    with pytest.raises(ValueError, match=r"exclude_near"):
        prepare_faces(folder, tmp_path / "out")


def test_an_image_that_changes_meanwhile_is_found(colors, tmp_path):
    folder = shutil.copytree(colors[0], tmp_path / "in")
    embed = ColorEmbedder()

    def changing(images):
        (folder / "p050" / "0.png").write_bytes((folder / "p051" / "0.png").read_bytes())
        return embed(images)

    with pytest.raises(ValueError, match=r"p050/0\.png: changed while the set was prepared"):
        prepare_faces(folder, tmp_path / "out", exclusion=_exclusion(colors[1], changing, 1.1), processes=1)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_embedding_without_direction_is_an_error(colors, tmp_path, value):
    with pytest.raises(ValueError, match=r"t0/0\.png: its embedding is all zero or not finite"):
        prepare_faces(
            colors[0],
            tmp_path / "out",
            exclusion=_exclusion(colors[1], lambda images: np.full((len(images), 3), value)),
            processes=1,
        )
