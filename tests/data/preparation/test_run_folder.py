import csv
import json

import pytest

from seesaw_keras.data.preparation.run_folder import RunFolder, write_table
from seesaw_keras.files import sha256_of

RUN = {"version": "1", "settings": {"seed": 0, "near": None}}


def test_a_run_starts_goes_on_and_ends(tmp_path):
    folder = RunFolder(tmp_path / "out", "in", RUN)
    assert folder.manifest is None
    (folder.progress / "found").write_text("x")
    (folder.path / ".17.partial.a.txt").write_text("half")
    folder = RunFolder(tmp_path / "out", "in", RUN)
    assert folder.manifest is None and (folder.progress / "found").exists()
    assert not (folder.path / ".17.partial.a.txt").exists()
    (folder.path / "a.txt").write_text("a")
    manifest = folder.finish({"counts": 1}, {"a.txt": sha256_of(folder.path / "a.txt")})
    assert sorted(path.name for path in folder.path.iterdir()) == ["a.txt", "manifest.json"]
    assert json.loads((folder.path / "manifest.json").read_bytes()) == manifest
    assert manifest == {**RUN, "counts": 1, "files": manifest["files"]}
    assert RunFolder(tmp_path / "out", "in", RUN).manifest == manifest


def test_a_kill_before_anything_was_written_or_after_everything_does_no_harm(tmp_path):
    (tmp_path / "out" / ".progress").mkdir(parents=True)
    (tmp_path / "out" / ".progress" / ".17.partial.run.json").write_text("{")
    folder = RunFolder(tmp_path / "out", "in", RUN)
    manifest = folder.finish({}, {})
    (tmp_path / "out" / ".progress").mkdir()
    assert RunFolder(tmp_path / "out", "in", RUN).manifest == manifest
    assert not (tmp_path / "out" / ".progress").exists()


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"version": "2", "settings": RUN["settings"]}, "version = '1', not '2'"),
        ({"version": "1", "settings": {"seed": 1, "near": None}}, "settings.seed = 0, not 1"),
        ({"version": "1", "settings": {"seed": 0, "near": {"set": "lfw"}}}, "settings.near.set = None, not 'lfw'"),
    ],
)
def test_another_run_is_refused(tmp_path, finished, run, message):
    folder = RunFolder(tmp_path, "in", RUN)
    if finished:
        folder.finish({}, {})
    with pytest.raises(ValueError, match=message):
        RunFolder(tmp_path, "in", run)
    RunFolder(tmp_path, "in", RUN)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_damaged_records_of_a_run_are_refused(tmp_path, content):
    RunFolder(tmp_path, "in", RUN)
    (tmp_path / ".progress" / "run.json").write_bytes(content.encode("latin1"))
    with pytest.raises(ValueError, match=r"run\.json: not (JSON|a JSON object)"):
        RunFolder(tmp_path, "in", RUN)


def test_a_folder_inside_of_the_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="inside the input folder"):
        RunFolder(tmp_path / "out", tmp_path, RUN)
    assert not list(tmp_path.iterdir())


def test_tables_keep_any_text(tmp_path):
    rows = [["a,b", '"'], ["two\nlines", "人"]]
    write_table(tmp_path / "t.csv", ["x", "y"], rows)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["x", "y"], *rows]
