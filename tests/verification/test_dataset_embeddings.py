"""Shards of embeddings against the network that made them: its embedding is the pixels."""

import csv
import json

import cv2
import numpy as np
import pytest

from seesaw_keras.data import SyntheticFaces
from seesaw_keras.data.images import decode_image
from seesaw_keras.verification import dataset_embeddings
from seesaw_keras.verification.dataset_embeddings import EmbeddingSettings, embed_dataset

PEOPLE, EACH, SIDE = 5, 3, 16


@pytest.fixture
def model(pixel_network):
    return str(pixel_network(size=(SIDE, SIDE), own=False))


@pytest.fixture
def data(tmp_path):
    """A folder of five people, with one image that is none."""
    for number, record in enumerate(SyntheticFaces(PEOPLE, EACH, size=SIDE)):
        path = tmp_path / "faces" / f"person {record.label}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.image)
    (tmp_path / "faces" / "person 2" / "07.png").write_bytes(b"no image")
    large = cv2.resize(decode_image(SyntheticFaces(1, 1, size=SIDE)[0].image, name="0"), (2 * SIDE, 2 * SIDE))
    cv2.imwrite(str(tmp_path / "faces" / "person 4" / "14.png"), np.repeat(large[:, :1], 2 * SIDE, axis=1))
    return tmp_path / "faces"


def rows_of(folder):
    return np.concatenate([np.load(path) for path in sorted(folder.glob("*.npy"))])


@pytest.fixture
def expected(data):
    """The pixels of every image in order; of the larger one, halved by averages."""
    rows = []
    for path in sorted(data.rglob("*.png")):
        image = cv2.imread(str(path))
        if image is None:
            rows.append(np.full(3 * SIDE**2, np.nan))
            continue
        if len(image) > SIDE:
            image = image.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
        rows.append(np.asarray(image[..., ::-1], float).ravel())
    return np.array(rows)


def test_rows_are_the_networks_in_the_data_sets_order(model, data, expected, tmp_path):
    told = []
    recipe = EmbeddingSettings(model, "raw", images_per_shard=4)
    manifest = embed_dataset(
        data, tmp_path / "out", recipe, processes=2, progress=lambda *told_of: told.append(told_of)
    )
    rows = rows_of(tmp_path / "out")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(rows), np.isnan(expected))
    np.testing.assert_allclose(rows, expected, atol=0.5)  # halving rounds
    np.testing.assert_array_equal(rows[:7], expected[:7])
    assert [shard["count"] for shard in manifest["shards"]] == [4, 4, 4, 3]
    assert [shard["first"] for shard in manifest["shards"]] == [0, 4, 8, 12]
    assert told[0][1:] == (0, 15) and told[-1][1:] == (15, 15)


def test_the_index_says_what_is_where_and_what_made_it(model, data, tmp_path):
    embed_dataset(data, tmp_path / "out", EmbeddingSettings(model, "raw", images_per_shard=4), processes=1)
    with (tmp_path / "out" / "index.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["label"] for line in lines] == [str(label) for label in range(5) for _ in range(3)]
    assert [line["identity"] for line in lines] == [f"person {label}" for label in range(5) for _ in range(3)]
    assert lines[6]["name"] == "person 2/06.png"
    assert (lines[6]["shard"], lines[6]["row"]) == ("embeddings-00001-of-00004.npy", "2")
    assert [number for number, line in enumerate(lines) if line["problem"]] == [7]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["without_embedding"] == 1 and manifest["embedding_size"] == 768
    assert manifest["embedder"]["preprocess"] == "raw" and len(manifest["embedder"]["sha256"]) == 64
    assert manifest["input"]["files"] == 15


class OneByOne:
    """In place of `Workers`: nothing is done ahead, so that a stop comes at a known moment."""

    def __init__(self, source, processes):
        self.source = source

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, function, tasks):
        return ((number, function(self.source, *task)) for number, task in enumerate(tasks))


def test_a_stopped_run_keeps_its_shards_and_goes_on(model, data, tmp_path, monkeypatch):
    recipe = EmbeddingSettings(model, "raw", images_per_shard=4)
    embed_dataset(data, tmp_path / "whole", recipe, processes=1)

    def stop(stage, done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr(dataset_embeddings, "Workers", OneByOne)
        embed_dataset(data, tmp_path / "out", recipe, progress=stop)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npy")}
    assert len(finished) == 2 and not (tmp_path / "out" / "manifest.json").exists()
    embed_dataset(data, tmp_path / "out", recipe, processes=2)
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items())
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    monkeypatch.setattr(dataset_embeddings, "Workers", None)
    assert embed_dataset(data, tmp_path / "out", recipe)["images"] == 15, "finished: nothing is done again"


def test_another_run_is_refused(model, data, tmp_path):
    embed_dataset(data, tmp_path / "out", EmbeddingSettings(model, "raw"), processes=1)
    with pytest.raises(ValueError, match=r"contains a run with embedder\.preprocess = 'raw', not 'pm1'"):
        embed_dataset(data, tmp_path / "out", EmbeddingSettings(model), processes=1)


def test_mistakes_are_named(model, data, tmp_path):
    with pytest.raises(ValueError, match="images_per_shard must be 1 or more, got 0"):
        EmbeddingSettings(model, images_per_shard=0)
    np.save(tmp_path / "rows.npy", np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="contains embeddings already"):
        embed_dataset(data, tmp_path / "out", EmbeddingSettings(str(tmp_path / "rows.npy")))
    cv2.imwrite(str(data / "person 0" / "00.png"), np.zeros((7, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=r"person 0/00\.png: images of 7x9 do not fit"):
        embed_dataset(data, tmp_path / "out", EmbeddingSettings(model), processes=1)
