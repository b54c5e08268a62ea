"""The folder is replaced atomically, and other files are never deleted."""

from pathlib import Path

import pytest

from seesaw_keras.tflite.micro.cpp_sources import MADE_BY, Export
from seesaw_keras.tflite.micro.folder import write_sources
from seesaw_keras.tflite.runtimes import Arena


def made(**files):
    texts = {name: f"// {MADE_BY} 1.0\n{text}\n" for name, text in files.items()}
    return Export(texts, {}, Arena(1, 1, 2), 1024, 0.5, 16384)


def contents(path):
    return {file.name: file.read_text("utf-8").splitlines()[1] for file in path.iterdir()}


def test_an_older_export_is_replaced_whole(tmp_path):
    path = tmp_path / "firmware" / "face"
    write_sources(path, made(a="first", b="first"))
    write_sources(path, made(a="second", c="second"))
    assert contents(path) == {"a": "second", "c": "second"}
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "face").mkdir()
    write_sources(tmp_path / "face", made(a="text"))
    assert contents(tmp_path / "face") == {"a": "text"}


@pytest.mark.parametrize("what", ["note.txt", "build/"])
def test_a_folder_with_something_else_is_left_alone(tmp_path, what):
    path = tmp_path / "face"
    write_sources(path, made(a="old"))
    foreign = path / what
    foreign.mkdir() if what.endswith("/") else foreign.write_text("mine")
    with pytest.raises(ValueError, match=rf"face: contains {what.rstrip('/')}, which no export wrote; choose another"):
        write_sources(path, made(a="new"))
    assert (path / "a").read_text("utf-8").splitlines()[1] == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "face").write_text("mine")
    with pytest.raises(ValueError, match="face: is a file, expected a folder"):
        write_sources(tmp_path / "face", made(a="new"))
    assert (tmp_path / "face").read_text() == "mine"


@pytest.mark.parametrize("method", ["open", "rename"])
@pytest.mark.parametrize("late", [False, True])
def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path, monkeypatch, method, late):
    """A full disk, at the first or the second time that something is done."""
    path = tmp_path / "face"
    write_sources(path, made(a="old", b="old"))
    original, calls = getattr(Path, method), []

    def fails(self, *arguments, **named):
        if method == "rename" or arguments[0] == "w":
            calls.append(self)
            if len(calls) == 1 + late:
                raise OSError("no space left on device")
        return original(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, fails)
        with pytest.raises(OSError, match="no space left"):
            write_sources(path, made(a="new", b="new"))
    assert contents(path) == {"a": "old", "b": "old"}
    assert list(tmp_path.iterdir()) == [path]
