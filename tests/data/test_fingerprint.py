import shutil

from seesaw_keras.data.fingerprint import fingerprint


def test_names_and_sizes_decide_and_neither_place_nor_time(tmp_path):
    folder = tmp_path / "a" / "faces"
    (folder / "Ada").mkdir(parents=True)
    (folder / "Ada" / "1.jpg").write_bytes(b"123")
    (folder / "2.txt").write_bytes(b"45")
    found = fingerprint(folder)
    assert (found["name"], found["files"], found["bytes"]) == ("faces", 2, 5)
    copy = shutil.copytree(folder, tmp_path / "b" / "faces", copy_function=shutil.copyfile)
    assert fingerprint(copy) == found
    (copy / "Ada" / "1.jpg").rename(copy / "Ada" / "3.jpg")
    changed = fingerprint(copy)
    assert changed["bytes"] == 5 and changed != found
    (copy / "Ada" / "3.jpg").rename(copy / "Ada" / "1.jpg")
    assert fingerprint(copy) == found
    (copy / "Ada" / "1.jpg").write_bytes(b"1234")
    (copy / "2.txt").write_bytes(b"4")
    assert fingerprint(copy)["bytes"] == 5 and fingerprint(copy) != found


def test_identities_may_be_links_and_names_any_bytes(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_bytes(b"1")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "Ada").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "faces" / "\udcff.jpg").write_bytes(b"2")
    assert fingerprint(tmp_path / "faces")["files"] == 2


def test_a_rec_counts_with_its_index_and_property(tmp_path):
    for name, content in {"train.rec": b"123", "train.idx": b"12", "property": b"1", "other": b"1234567"}.items():
        (tmp_path / name).write_bytes(content)
    found = fingerprint(tmp_path / "train.rec")
    assert (found["name"], found["files"], found["bytes"]) == ("train.rec", 3, 6)
