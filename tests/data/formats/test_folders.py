import os
import pickle
import zipfile

import numpy as np
import pytest

from seesaw_keras.data import CsvSource, FolderSource, Record


def fill(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(os.fsencode(name))
    return root


NAMES = ["Ægir/1.jpg", "Ada/10.jpg", "Ada/2.jpg", "名前/b.png", "علي/a.jpg", "10/x.jpg", "9/x.jpg", "a b'c/d.e.jpg"]


def test_identities_of_any_script(tmp_path):
    source = FolderSource(fill(tmp_path, NAMES))
    assert set(source.identities) == {name.split("/")[0] for name in NAMES}
    assert source.identities[:3] == ["9", "10", "Ada"]
    records = list(source)
    assert sorted(record.name for record in records) == sorted(NAMES)
    for record in records:
        assert record.image.decode() == record.name
        assert source.identities[record.label] == record.name.split("/")[0]
    assert [record.name for record in records if record.label == 2] == ["Ada/2.jpg", "Ada/10.jpg"]
    np.testing.assert_array_equal(source.labels(), [record.label for record in records])
    assert list(pickle.loads(pickle.dumps(source))) == records


def test_a_zip_is_as_good_as_a_folder(tmp_path):
    fill(tmp_path / "x", NAMES)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in NAMES:
            archive.writestr(f"x/{name}", name.encode())
    zipped, folder = FolderSource(tmp_path / "x.zip"), FolderSource(tmp_path / "x")
    assert zipped.identities == folder.identities
    assert [(r.image, r.label, r.name) for r in zipped] == [(r.image, r.label, f"x/{r.name}") for r in folder]
    assert FolderSource(tmp_path).identities == folder.identities


def test_names_that_are_no_text_can_be_printed_and_read(tmp_path):
    fill(tmp_path, [os.fsdecode(b"caf\xe9/1.jpg")])
    assert list(FolderSource(tmp_path)) == [Record(b"caf\xe9/1.jpg", 0, "caf\\xe9/1.jpg")]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.jpg", "2.jpg"], "create one sub-folder per identity"),
        (["a/1.jpg", "b/session/1.jpg"], "below '.' and below 'b'"),
        (["a/x/1.jpg", "b/x/1.jpg"], "below 'a' and below 'b'"),
        (["notes.txt"], "no image files"),
    ],
)
def test_unclear_folders_are_refused(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        FolderSource(fill(tmp_path, names))


def test_images_beside_the_identities_are_left_out(tmp_path):
    assert [record.name for record in FolderSource(fill(tmp_path, ["sheet.jpg", "a/1.jpg"]))] == ["a/1.jpg"]


def test_a_file_that_is_gone_is_named(tmp_path):
    source = FolderSource(fill(tmp_path, ["a/1.jpg", "a/2.jpg"]))
    (tmp_path / "a" / "1.jpg").unlink()
    with pytest.raises(ValueError, match=r"a/1\.jpg: there is no such file"):
        source[0]
    assert source[1].image == b"a/2.jpg"


def table(tmp_path, content):
    fill(tmp_path, ["images/1.jpg", "images/ä,b.jpg", "2.jpg"])
    path = tmp_path / "faces.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(tmp_path, start, end):
    absolute = tmp_path / "2.jpg"
    rows = ["identity,note,path", "10,x,images/1.jpg", '9,"a, b","images/ä,b.jpg"', f" 10 ,,{absolute}", ""]
    source = CsvSource(table(tmp_path, start + end.join(rows)))
    assert source.identities == ["9", "10"]
    assert list(source) == [
        Record(b"images/1.jpg", 1, "images/1.jpg"),
        Record("images/ä,b.jpg".encode(), 0, "images/ä,b.jpg"),
        Record(b"2.jpg", 1, str(absolute)),
    ]
    np.testing.assert_array_equal(source.labels(), [1, 0, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must contain the columns path and identity"),
        ("images/1.jpg,ada\n", "must contain the columns path and identity"),
        ("path,identity\n", "no rows"),
        ("path,identity\nimages/1.jpg\n", "line 2: path or identity is missing"),
        ("path,identity\nimages/1.jpg,a\n,b\n", "line 3: path or identity is missing"),
        ("path,identity\n\0,b\n", "line 2"),
        ('path,identity\n"images/1.jpg,b\n', "line 2: unexpected end"),
        ("path,identity\n" + "x" * 200_000 + ",b\n", "line 2: field larger"),
        (b"path,identity\n\xff\xfe,b\n", "byte 14 is not valid UTF-8"),
    ],
)
def test_other_tables_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"faces\.csv.*{message}"):
        CsvSource(table(tmp_path, content))


@pytest.mark.parametrize("name", ["none.jpg", "images", "x" * 5000])
def test_a_file_that_the_table_names_and_is_not_there(tmp_path, name):
    source = CsvSource(table(tmp_path, f"path,identity\n2.jpg,a\n{name},b\n"))
    assert source[0].image == b"2.jpg"
    with pytest.raises(ValueError, match=rf"faces\.csv, line 3: {name}: "):
        source[1]
