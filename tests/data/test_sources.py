import subprocess
import sys

import pytest

from seesaw_keras import data
from seesaw_keras.data import (
    CsvSource,
    FolderSource,
    RecordIOSource,
    TFRecordSource,
    open_source,
    write_recordio,
    write_shard,
)


def test_every_format_is_recognized(tmp_path, people):
    write_recordio(tmp_path / "rec" / "train.rec", people)
    write_shard(tmp_path / "tf" / "a.tfrecord", people)
    for i, record in enumerate(people):
        (tmp_path / "folder" / f"{record.label}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / f"{record.label}" / f"{i}.jpg").write_bytes(record.image)
    rows = [f"folder/{record.label}/{i}.jpg,{record.label}" for i, record in enumerate(people)]
    (tmp_path / "faces.csv").write_text("\n".join(["path,identity", *rows]))
    expected = [(record.image, record.label) for record in people]
    for path, form in {
        "rec": RecordIOSource,
        "rec/train.rec": RecordIOSource,
        "tf": TFRecordSource,
        "tf/a.tfrecord": TFRecordSource,
        "folder": FolderSource,
        "faces.csv": CsvSource,
    }.items():
        source = open_source(tmp_path / path)
        assert type(source) is form
        assert [(record.image, record.label) for record in source] == expected


def test_unrecognized_formats_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such"):
        open_source(tmp_path / "none")
    with pytest.raises(ValueError, match="no image files"):
        open_source(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"notes\.txt: unrecognized data set format"):
        open_source(tmp_path / "notes.txt")
    (tmp_path / "lfw.bin").write_text("x")
    with pytest.raises(ValueError, match=r"lfw\.bin: .*open_pairs"):
        open_source(tmp_path / "lfw.bin")
    for name in ("a.rec", "b.rec"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match=r"found both a\.rec and b\.rec"):
        open_source(tmp_path)


def test_all_public_names_are_there_without_tensorflow():
    names = sorted(data.__all__)
    assert names == sorted(set(names))
    code = f"""
import sys, seesaw_keras.data as data
for name in {names}:
    getattr(data, name)
assert set({names}) <= set(dir(data))
sys.exit("tensorflow" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        data.nothing  # noqa: B018
