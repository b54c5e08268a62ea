"""The real faces of ../shared/faces: complete, and unchanged by a round trip."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from seesaw_keras.data import (
    decode_image,
    open_pairs,
    open_source,
    read_bin,
    shard_name,
    write_bin,
    write_recordio,
    write_shard,
)

FACES = Path(__file__).resolve().parents[2].parent / "shared" / "faces"


@pytest.fixture(scope="module")
def train():
    return open_source(FACES)


def test_the_training_set_is_complete(train):
    labels = train.labels()
    assert len(train) == len(labels) == 39_993
    assert train.identities == 8_000
    np.testing.assert_array_equal(np.unique(labels), np.arange(8_000))
    for position in range(0, len(train), 400):
        assert decode_image(train[position].image, name=train[position].name).shape == (112, 112, 3)


@pytest.mark.slow
def test_recordio_to_tfrecord_and_back_keeps_every_byte(train, tmp_path):
    cuts = np.linspace(0, len(train), 5, dtype=int).tolist()
    for shard, (start, stop) in enumerate(pairwise(cuts)):
        write_shard(tmp_path / "shards" / shard_name(shard, 4), (train[i] for i in range(start, stop)))
    write_recordio(tmp_path / "train.rec", open_source(tmp_path / "shards"))
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / name).read_bytes() == (FACES / name).read_bytes()


def test_lfw_view_2_is_complete(tmp_path):
    pairs = open_pairs(FACES / "lfw_view2_aligned112.zip", FACES / "pairs.txt")
    assert len(pairs) == 6_000
    assert len(pairs.names) == 7_701
    for fold in range(10):
        assert np.count_nonzero(pairs.same[pairs.folds == fold]) == 300
        assert np.count_nonzero(~pairs.same[pairs.folds == fold]) == 300
    people = np.array([name.split("/")[0] for name in pairs.names])
    np.testing.assert_array_equal(people[pairs.index[:, 0]] == people[pairs.index[:, 1]], pairs.same)
    images = [pairs.read(i) for i in range(len(pairs.names))]
    assert all(decode_image(image, name="lfw").shape == (112, 112, 3) for image in images[::50])
    write_bin(tmp_path / "lfw.bin", (images[i] for i in pairs.index.ravel()), pairs.same)
    read, same = read_bin(tmp_path / "lfw.bin")
    assert read == [images[i] for i in pairs.index.ravel()]
    np.testing.assert_array_equal(same, pairs.same)
    np.testing.assert_array_equal(open_pairs(tmp_path / "lfw.bin").folds, pairs.folds)
