import pytest

from seesaw_keras.serving.versions import publish


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def number(folder):
    """Writes the folder's own name into it, and what a polling server sees meanwhile."""
    (folder / "seen").write_text(" ".join(names(folder.parent)))


def test_versions_count_on_from_the_highest(tmp_path):
    model = tmp_path / "face"
    assert publish(model, number) == model / "1"
    (model / "7").mkdir()
    (model / "7" / "saved_model.pb").write_bytes(b"")
    (model / "canary").mkdir()
    assert publish(model, number) == model / "8"
    assert names(model) == ["1", "7", "8", "canary"]
    assert names(model / "1") == ["seen"]


def test_what_is_not_whole_has_no_number(tmp_path):
    publish(tmp_path, number)
    version = publish(tmp_path, number)
    seen = (version / "seen").read_text().split()
    assert [name for name in seen if name.isdecimal()] == ["1"]
    assert len(seen) == 2


def test_an_error_leaves_nothing(tmp_path):
    publish(tmp_path, number)

    def fail(folder):
        number(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path, fail)
    assert names(tmp_path) == ["1"]


def test_what_a_killed_export_left_does_not_get_into_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".7.partial").mkdir()
    (tmp_path / ".7.partial" / "half").write_bytes(b"")
    assert names(publish(tmp_path, number)) == ["seen"]


def test_a_faster_export_is_not_overwritten(tmp_path, monkeypatch):
    """Another process takes the number between the look and the rename."""
    real = type(tmp_path).rename

    def late(path, target):
        if target.name == "1":
            target.mkdir()
            (target / "theirs").write_bytes(b"")
            monkeypatch.setattr(type(tmp_path), "rename", real)
        return real(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", late)
    assert publish(tmp_path, number) == tmp_path / "2"
    assert names(tmp_path / "1") == ["theirs"]
    assert names(tmp_path / "2") == ["seen"]
