import functools
import json

import numpy as np
import pytest

from seesaw_keras.data.synthetic import SyntheticFaces


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "embed_dataset")


def test_it_embeds_and_a_mistake_is_one_line(run, pixel_network, tmp_path):
    flags = ["--data", "synthetic:4x3@16", "--model", pixel_network(size=(16, 16)), "--output", tmp_path / "out"]
    done = run(*flags, "--images-per-shard", 5, "--processes", 1)
    assert done.returncode == 0, done.stderr
    assert "12 embeddings of 768 numbers in 3 shards" in done.stdout
    rows = np.concatenate([np.load(path) for path in sorted((tmp_path / "out").glob("*.npy"))])
    assert rows.shape == (12, 768) and len(SyntheticFaces(4, 3, size=16)) == 12
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["input"] == {"name": "synthetic:4x3@16"}
    done = run(*flags, "--images-per-shard", 6)
    assert done.returncode == 1
    assert "images_per_shard = 5, not 6" in done.stderr and len(done.stderr.splitlines()) == 1
