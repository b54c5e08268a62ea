import io
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.models.pytorch_checkpoint import read_checkpoint


def npz_bytes():
    file = io.BytesIO()
    np.savez(file, a=np.arange(6.0).reshape(2, 3), b=np.zeros(4, np.int64))
    return file.getvalue()


def test_npz_gives_its_arrays(tmp_path):
    (tmp_path / "w.npz").write_bytes(npz_bytes())
    arrays = read_checkpoint(tmp_path / "w.npz")
    assert sorted(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["a"], [[0, 1, 2], [3, 4, 5]])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no file .*absent\.pth"):
        read_checkpoint(tmp_path / "absent.pth")


def test_objects_in_an_npz_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([{"code": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"w\.npz.*plain arrays"):
        read_checkpoint(tmp_path / "w.npz")


@pytest.mark.slow
def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(1100):
            member.write(bytes(1 << 20))
    with pytest.raises(ValueError, match=r"bomb\.npz.*unpacks to"):
        read_checkpoint(tmp_path / "bomb.npz")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_archives_end_in_a_value_error_or_in_arrays(tmp_path_factory, data):
    raw = bytearray(npz_bytes())
    if data.draw(st.booleans(), label="truncate"):
        raw = raw[: data.draw(st.integers(60, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "w.npz"
    path.write_bytes(raw)
    try:
        arrays = read_checkpoint(path)
    except (ValueError, ImportError) as error:
        assert "w.npz" in str(error) or "PyTorch" in str(error)
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_without_pytorch_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(b"\x80\x02anything")
    with pytest.raises(ImportError, match=r"seesaw_keras\[torch\]"):
        read_checkpoint(tmp_path / "w.pth")
