"""`seesaw align_faces`: arguments, output and exit code."""

import csv
import functools

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "align_faces")


@pytest.fixture
def photographs(tmp_path):
    root = tmp_path / "photographs"
    root.mkdir()
    cv2.imwrite(str(root / "gray.png"), np.full((120, 160, 3), 128, np.uint8))
    (root / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    return root


def test_reports_what_it_does_not_find(run, photographs, tmp_path):
    for _ in range(2):  # the second run resumes from the list of the first
        done = run(f"--photographs={photographs}", f"--output={tmp_path / 'out'}")
        assert done.returncode == 0, done.stderr
        assert "0 faces of 0 photographs" in done.stdout and "nothing in 2 photographs" in done.stdout
    with (tmp_path / "out" / "not_found.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["photograph"] for row in rows] == ["broken.jpg", "gray.png"]
    assert rows[0]["problem"] and rows[1]["problem"] == "no face found"
    assert cv2.imread(str(tmp_path / "out" / "contact_sheet.png")).shape[1] > 1000


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--photographs={0}/absent", "absent"),
        ("--yunet={0}/absent.onnx", "no such YuNet model"),
        ("--output={0}/photographs/out", "so crops would be read as photographs"),
    ],
)
def test_user_errors_print_one_line(run, photographs, tmp_path, flag, message):
    done = run(f"--photographs={photographs}", f"--output={tmp_path / 'out'}", flag.format(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("align_faces: ") and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
