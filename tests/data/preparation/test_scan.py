import hashlib

import numpy as np
import pytest

from seesaw_keras.data import FolderSource
from seesaw_keras.data.preparation.scan import UNREADABLE, Selected, describe, parts, scan
from seesaw_keras.data.preparation.workers import Workers


@pytest.fixture
def source(tmp_path, jpeg):
    for i in range(6):
        (tmp_path / "in" / f"{i // 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"{i // 2}" / f"{i}.jpg").write_bytes(b"broken" if i == 3 else jpeg(i))
    source = FolderSource(tmp_path / "in")
    (tmp_path / "in" / "2" / "4.jpg").unlink()
    return source


def test_every_record_is_scanned_once(source, tmp_path, jpeg):
    reports = []
    with Workers(source, 1) as workers:
        rows = scan(workers, 6, tmp_path / "kept", lambda *progress: reports.append(progress))
        described = list(describe(workers, [4, 3, 0]))
    assert rows["label"].tolist() == [0, 0, 1, 1, UNREADABLE, 2]
    assert rows["decodes"].tolist() == [True, True, True, False, False, True]
    digests = [hashlib.sha256(b"broken" if i == 3 else jpeg(i)).digest() for i in (0, 1, 2, 3, 5)]
    assert [row.ljust(32, b"\0") for row in np.delete(rows["sha256"], 4).tolist()] == digests
    assert reports == [("scan", 0, 6), ("scan", 6, 6)]
    assert described[0][0] == "" and "4.jpg: there is no such file" in described[0][1]
    assert described[1][0] == "1/3.jpg" and described[1][1].startswith("1/3.jpg: not a JPEG")
    assert described[2] == ("0/0.jpg", "")
    with Workers(None, 1) as no_source:  # all parts are stored, so nothing is read
        np.testing.assert_array_equal(scan(no_source, 6, tmp_path / "kept", lambda *progress: None), rows)


def test_selected_records_must_match_the_scan(source, tmp_path):
    images = [source[5].image, source[0].image]
    digests = np.array([hashlib.sha256(image).digest() for image in images], "S32")
    chosen = Selected(source, np.array([5, 0]), np.array([1, 7]), digests)
    assert [(record.image, record.label, record.name) for record in chosen] == [
        (images[0], 1, "2/5.jpg"),
        (images[1], 7, "0/0.jpg"),
    ]
    assert chosen.labels().tolist() == [1, 7]
    (tmp_path / "in" / "0" / "0.jpg").write_bytes(images[0])
    with pytest.raises(ValueError, match=r"0/0\.jpg: changed"):
        chosen[1]


def test_parts_cover_everything_once():
    assert parts(0, 3) == []
    assert parts(7, 3) == [(0, 3), (3, 6), (6, 7)]
