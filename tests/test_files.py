import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.files import replacing, sha256_of, sync


def test_replacing_writes_whole_files_with_the_same_suffixes(tmp_path):
    target = tmp_path / "new folder" / "model.weights.h5"
    with replacing(target) as beside:
        assert beside.parent == target.parent
        assert beside.name.endswith(".model.weights.h5")
        beside.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_writing_nothing_is_an_error_not_an_empty_file(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "absent"):
        pass
    assert not list(tmp_path.iterdir())


def test_files_and_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with replacing(tmp_path / "file") as beside:
        beside.write_text("x")
    sync(tmp_path)
    assert synced == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]


@given(st.binary(max_size=100))
def test_sha256_of_equals_hashlib(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("sha") / "file"
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()
