import os
import random
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data.formats.image_files import MAX_BYTES, natural_key, open_images, read_file


def pack(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_names_are_in_natural_order_whatever_the_order_they_come_in():
    ordered = [
        "1.jpg",
        "2.jpg",
        "02.jpg",
        "10.jpg",
        "a/1",
        "a/2",
        "a/10",
        "a 1/1",
        "a2b1",
        "a2b02",
        "a2b10",
        "a10b1",
        "é",
        "名前",
    ]
    expected = sorted(ordered, key=natural_key)
    assert expected.index("2.jpg") < expected.index("10.jpg")
    assert expected.index("a/2") < expected.index("a/10")
    assert expected.index("a2b10") < expected.index("a10b1")
    for seed in range(20):
        shuffled = random.Random(seed).sample(ordered, len(ordered))
        assert sorted(shuffled, key=natural_key) == expected


@settings(max_examples=200)
@given(st.lists(st.text("0123456789٣²a/b.", max_size=8) | st.text(max_size=8), unique=True))
def test_no_two_names_are_equal_in_order(names):
    assert len({repr(natural_key(name)) for name in names}) == len(names)
    sorted(names, key=natural_key)


def test_a_folder_and_an_archive_of_it_are_the_same(tmp_path):
    files = {"B/10.JPG": b"1", "B/2.png": b"2", "a/deep/3.webp": b"3", "root.jpeg": b"4", "名前/é ß.bmp": b"5"}
    others = {"B/.hidden.jpg": b"", ".git/x.jpg": b"", "__MACOSX/B/2.png": b"", "B/notes.txt": b"", "B/no_suffix": b""}
    for name, content in {**files, **others}.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    folder = open_images(tmp_path / "folder")
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = open_images(pack(tmp_path / "a.zip", {**files, **others}.items(), compression))
        assert archive.names == folder.names
        assert sorted(folder.names) == sorted(files)
        for name in folder.names:
            assert archive.read(name) == folder.read(name) == files[name]


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a\\..\\x.jpg", "..", "C:\\x.jpg"])
def test_an_archive_with_a_path_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"a\.zip: entry .* do not trust"):
        open_images(pack(tmp_path / "a.zip", [("a/1.jpg", b"1"), (name, b"2")]))


def lie(path, *, size):
    """Lets the archive's directory declare another size for its only entry."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, size)
    path.write_bytes(data)


def test_a_bomb_is_cut_off(tmp_path):
    path = pack(tmp_path / "a.zip", [("a/1.jpg", bytes(1 << 24))])
    lie(path, size=1000)
    images = open_images(path)
    with pytest.raises(ValueError, match=r"a\.zip, entry a/1\.jpg: size or CRC-32 does not match"):
        images.read("a/1.jpg")
    lie(path, size=MAX_BYTES + 1)
    images = open_images(path)
    with pytest.raises(ValueError, match=r"a\.zip, entry a/1\.jpg: too large"):
        images.read("a/1.jpg")


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        pack(tmp_path / "a.zip", [("a/1.jpg", b"1"), ("a/1.jpg", b"2")])
    with pytest.raises(ValueError, match="duplicate entry"):
        open_images(tmp_path / "a.zip")


def test_other_compression_is_refused(tmp_path):
    images = open_images(pack(tmp_path / "a.zip", [("a/1.jpg", b"1")], zipfile.ZIP_LZMA))
    with pytest.raises(ValueError, match=r"entry a/1\.jpg: .*not compressed with deflate"):
        images.read("a/1.jpg")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_archive_ends_in_its_bytes_or_a_named_error(tmp_path_factory, damaged, data):
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    content = {"a/1.jpg": b"first" * 9, "b/2.jpg": b"second"}
    pack(path, content.items())
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    try:
        images = open_images(path)
        read = [images.read(name) for name in images.names]
    except ValueError as error:
        assert "damaged.zip" in str(error)
    else:
        assert set(read) <= set(content.values())


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match="no image files"):
        open_images(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_images(tmp_path / "none")


def test_links_are_followed_but_never_in_circles(tmp_path):
    (tmp_path / "store" / "ada").mkdir(parents=True)
    (tmp_path / "store" / "ada" / "1.jpg").write_bytes(b"1")
    root = tmp_path / "root"
    root.mkdir()
    (root / "ada").symlink_to(tmp_path / "store" / "ada")
    (tmp_path / "store" / "ada" / "loop").symlink_to(root)
    images = open_images(root)
    assert images.names == ["ada/1.jpg"]
    assert images.read("ada/1.jpg") == b"1"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert stat.S_ISFIFO((tmp_path / "pipe.jpg").stat().st_mode)
    with pytest.raises(ValueError, match=r"^x/pipe\.jpg: there is no such file"):
        read_file(tmp_path / "pipe.jpg", name="x/pipe.jpg")


def test_a_file_too_large_for_an_image_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=r"^a\.jpg: 268435457 bytes"):
        read_file(path, name="a.jpg")
