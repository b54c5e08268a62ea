import csv
import hashlib
import json

import numpy as np
import pytest

from seesaw_keras.data import open_pairs, read_bin, write_bin
from seesaw_keras.data.preparation.prepare_pairs import prepare_pairs


@pytest.fixture
def images(jpeg):
    return [jpeg(i) for i in range(80)]


SAME = [i % 2 == 0 for i in range(40)]


def test_a_bin_keeps_every_pair_and_byte(tmp_path, images):
    write_bin(tmp_path / "a.bin", images, SAME)
    manifest = prepare_pairs(tmp_path / "a.bin", tmp_path / "out")
    read, same = read_bin(tmp_path / "out" / "a.bin")
    assert read == images and same.tolist() == SAME
    assert manifest["counts"] == {"pairs": 40, "same": 20, "pairs_left_out": 0, "images": 80, "undecodable": 0}
    assert manifest["folds_kept"] is True
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bin", "left_out.csv", "manifest.json"]
    assert prepare_pairs(tmp_path / "a.bin", tmp_path / "out") == manifest


def test_pairs_with_broken_images_are_left_out_and_listed(tmp_path, images):
    images[6], images[7], images[21] = b"x", b"", images[21][:-9]
    write_bin(tmp_path / "a.bin", images, SAME)
    manifest = prepare_pairs(tmp_path / "a.bin", tmp_path / "out")
    read, same = read_bin(tmp_path / "out" / "a.bin")
    kept = [pair for pair in range(40) if pair not in (3, 10)]
    assert read == [images[2 * pair + side] for pair in kept for side in (0, 1)]
    assert same.tolist() == [SAME[pair] for pair in kept]
    with (tmp_path / "out" / "left_out.csv").open(newline="") as file:
        assert [row["position"] for row in csv.DictReader(file)] == ["6", "7", "21"]
    assert manifest["counts"]["pairs_left_out"] == 2
    assert manifest["folds_kept"] is False


def test_lfw_becomes_a_bin(tmp_path, jpeg):
    lines, expected = ["10\t1"], []
    for person in range(10):
        (tmp_path / "in" / f"P{person}").mkdir(parents=True)
        for number in (1, 2):
            (tmp_path / "in" / f"P{person}" / f"P{person}_{number:04d}.jpg").write_bytes(jpeg(10 * person + number))
    for fold in range(10):
        lines += [f"P{fold}\t1\t2", f"P{fold}\t1\tP{(fold + 1) % 10}\t2"]
        expected += [10 * fold + 1, 10 * fold + 2, 10 * fold + 1, (10 * fold + 12) % 100]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    manifest = prepare_pairs(tmp_path / "in", tmp_path / "out", pairs=tmp_path / "pairs.txt")
    pairs = open_pairs(tmp_path / "out" / "in.bin")
    assert [pairs.read(i) for i in range(40)] == [jpeg(seed) for seed in expected]
    np.testing.assert_array_equal(pairs.same, [True, False] * 10)
    assert manifest["folds_kept"] is True


def test_no_pair_left_is_an_error(tmp_path):
    write_bin(tmp_path / "a.bin", [b"x", b"y"], [True])
    with pytest.raises(ValueError, match=r"a\.bin: no pairs are left: 2 of 2 images"):
        prepare_pairs(tmp_path / "a.bin", tmp_path / "out")
