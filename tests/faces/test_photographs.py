"""Runs over folders: what they write, and what they survive."""

import json
import os
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data import decode_image
from seesaw_keras.faces import Face, align
from seesaw_keras.faces.photographs import NO_FACE, AlignmentRun, Finding, open_photographs


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.fixture
def folder(tmp_path, picture):
    """Photographs with one, two and no faces, one in another script, and two that are no images."""
    root = tmp_path / "photographs"
    write(root / "ada" / "1.png", picture(100, 120, (30, 20, 40, 50)))
    write(root / "ada" / "2.png", picture(200, 300, (10, 10, 20, 25), (120, 60, 60, 70)))
    write(root / "名前" / "b.jpg", picture(90, 90, (20, 20, 40, 40)))
    write(root / "none.png", picture(50, 50))
    (root / "empty.jpg").touch()
    (root / "text.png").write_text("not an image")
    (root / "notes.txt").write_text("left out")
    return root


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_finds_writes_and_lists(folder, tmp_path, rectangles):
    run = AlignmentRun(folder, tmp_path / "out", rectangles)
    findings = {finding.name: finding for finding in run}
    assert len(run) == len(findings) == 6
    assert {name: len(finding.faces) for name, finding in findings.items() if finding.faces} == {
        "ada/1.png": 1,
        "ada/2.png": 2,
        "名前/b.jpg": 1,
    }
    assert findings["none.png"].problem == NO_FACE
    assert "empty" in findings["empty.jpg"].problem and "not a JPEG" in findings["text.png"].problem
    assert set(files(tmp_path / "out")) == {"ada/1.png", "ada/2.png", "名前/b.jpg", "faces.jsonl", "settings.json"}
    lines = (tmp_path / "out" / "faces.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["name"] for line in lines] == list(run.photographs.names) == list(findings)


def test_crops_are_the_aligned_main_faces(folder, tmp_path, rectangles):
    list(AlignmentRun(folder, tmp_path / "out", rectangles, size=96))
    image = decode_image((folder / "ada/2.png").read_bytes(), name="2")
    large = max(rectangles.detect(image), key=lambda face: face.box[2])
    crop = decode_image((tmp_path / "out/ada/2.png").read_bytes(), name="crop")
    np.testing.assert_array_equal(crop, align(image, large.landmarks, size=96))


def test_all_faces(folder, tmp_path, rectangles):
    findings = list(AlignmentRun(folder, tmp_path / "out", rectangles, all_faces=True))
    assert findings[1].crops == ["ada/2.png", "ada/2.face2.png"]
    image = decode_image((folder / "ada/2.png").read_bytes(), name="2")
    for face, name in zip(findings[1].faces, findings[1].crops, strict=True):
        crop = decode_image((tmp_path / "out" / name).read_bytes(), name=name)
        np.testing.assert_allclose(crop, align(image, face.landmarks), atol=3)  # landmarks are listed rounded
    assert findings[1].faces[0].box[2] == 60


@pytest.mark.parametrize("done", range(6))
def test_a_stopped_run_goes_on_to_the_same_files(folder, tmp_path, rectangles, done):
    list(AlignmentRun(folder, tmp_path / "whole", rectangles))
    whole = [finding.to_json() for finding in AlignmentRun(folder, tmp_path / "whole", rectangles)]
    steps = iter(AlignmentRun(folder, tmp_path / "out", rectangles))
    for _ in range(done):
        next(steps)
    steps.close()
    listed = tmp_path / "out" / "faces.jsonl"
    if listed.exists():
        listed.write_bytes(listed.read_bytes() + b'{"name": "ada/2.p')  # a kill in the middle of a line
    rectangles.images = 0
    assert [finding.to_json() for finding in AlignmentRun(folder, tmp_path / "out", rectangles)] == whole
    assert rectangles.images == sum(name.endswith((".png", ".jpg")) for name in remaining(folder, done))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def remaining(folder, done):
    """Returns the photographs after the first `done` that can be read."""
    return [name for name in open_photographs(folder).names[done:] if name not in ("empty.jpg", "text.png")]


def test_other_settings_are_refused(folder, tmp_path, rectangles):
    AlignmentRun(folder, tmp_path / "out", rectangles)
    with pytest.raises(ValueError, match=r"out: started with .*'size': 112.* not .*'size': 96.*another"):
        AlignmentRun(folder, tmp_path / "out", rectangles, size=96)
    (tmp_path / "out" / "settings.json").write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json: not the settings"):
        AlignmentRun(folder, tmp_path / "out", rectangles)


@pytest.mark.parametrize("line", ["{", "[]", '{"name": 1}', '{"name": "x", "problem": null, "crops": [], "faces": 3}'])
def test_damaged_list(folder, tmp_path, rectangles, line):
    run = AlignmentRun(folder, tmp_path / "out", rectangles)
    (tmp_path / "out" / "faces.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"faces\.jsonl: line 1 is damaged; delete it"):
        list(run)


def test_output_among_the_photographs_is_refused(folder, rectangles):
    with pytest.raises(ValueError, match="so crops would be read as photographs"):
        AlignmentRun(folder, folder / "aligned", rectangles)
    assert not (folder / "aligned").exists()


def test_files_of_others_are_not_overwritten(folder, rectangles):
    before = files(folder)
    with pytest.raises(ValueError, match="contains other files"):
        AlignmentRun(folder / "ada" / "1.png", folder / "ada", rectangles)  # its crop would be ada/1.png
    with pytest.raises(NotADirectoryError):
        AlignmentRun(folder / "ada", folder / "notes.txt", rectangles)
    assert files(folder) == before


@pytest.mark.parametrize(("name", "all_faces"), [("contact_sheet.png", False), ("ada/1.face2.png", True)])
def test_names_that_would_be_overwritten(folder, tmp_path, rectangles, picture, name, all_faces):
    write(folder / name, picture(50, 50))
    with pytest.raises(ValueError, match="rename"):
        AlignmentRun(folder, tmp_path / "out", rectangles, all_faces=all_faces)


def test_no_photographs(tmp_path, rectangles):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no image files"):
        AlignmentRun(tmp_path / "empty", tmp_path / "out", rectangles)
    with pytest.raises(FileNotFoundError):
        AlignmentRun(tmp_path / "absent", tmp_path / "out", rectangles)
    with pytest.raises(FileNotFoundError):
        AlignmentRun(tmp_path / "absent.jpg", tmp_path / "out", rectangles)
    assert not (tmp_path / "out").exists()


def test_a_single_file_and_an_archive(folder, tmp_path, rectangles):
    (finding,) = AlignmentRun(folder / "ada" / "1.png", tmp_path / "one", rectangles)
    assert finding.crops == ["1.png"] and (tmp_path / "one" / "1.png").is_file()
    with zipfile.ZipFile(tmp_path / "photographs.zip", "w") as archive:
        archive.write(folder / "ada" / "2.png", "ada/2.png")
    (finding,) = AlignmentRun(tmp_path / "photographs.zip", tmp_path / "packed", rectangles)
    assert finding.crops == ["ada/2.png"] and (tmp_path / "packed" / "ada" / "2.png").is_file()


def test_names_that_are_no_utf8(tmp_path, rectangles, picture):
    root = tmp_path / "photographs"
    write(root / "a.png", picture(100, 120, (30, 20, 40, 50)))
    (root / "a.png").rename(root / os.fsdecode(b"\xff.png"))
    for _ in range(2):
        (finding,) = AlignmentRun(root, tmp_path / "out", rectangles)
        assert os.fsencode(finding.name) == b"\xff.png"
    assert rectangles.images == 1
    assert (tmp_path / "out" / finding.name).is_file()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".webp", ".bmp"])
def test_crops_keep_format_and_pixels(tmp_path, rectangles, suffix):
    image = np.full((200, 200, 3), 255, np.uint8)
    image[:20], image[180:], image[:, :20], image[:, 180:] = 0, 0, 0, 0
    image[100:110, 60:140] = (210, 230, 250)
    write(tmp_path / "in" / f"a{suffix}", image)
    list(AlignmentRun(tmp_path / "in", tmp_path / "out", rectangles))
    image = decode_image((tmp_path / "in" / f"a{suffix}").read_bytes(), name="a")
    exact = align(image, rectangles.detect(image)[0].landmarks)
    crop = decode_image((tmp_path / "out" / f"a{suffix}").read_bytes(), name="crop")
    error = np.abs(crop.astype(int) - exact)
    assert error.mean() <= (0.5 if suffix in (".jpg", ".jpeg") else 0)


def test_a_face_that_cannot_be_aligned_ends_no_run(folder, tmp_path, rectangles, monkeypatch):
    flat = Face(np.array([1, 1, 9, 9], np.float32), 0.9, np.ones((5, 2), np.float32))
    monkeypatch.setattr(rectangles, "detect", lambda image: [flat])
    problems = {finding.problem for finding in AlignmentRun(folder, tmp_path / "out", rectangles)}
    assert any("degenerate" in problem for problem in problems)


@given(
    st.text(),
    st.none() | st.text(),
    st.lists(st.tuples(st.lists(st.integers(0, 9999), min_size=4, max_size=4), st.booleans()), max_size=3),
)
def test_lines_give_the_same_finding_again(name, problem, faces):
    finding = Finding(
        name,
        [Face(np.array(box, np.float32), 0.5, np.ones((5, 2), np.float32), flag) for box, flag in faces],
        [name] * len(faces),
        problem,
    )
    line = finding.to_json()
    assert "\n" not in line and line.isascii()
    again = Finding.from_json(line)
    assert (again.name, again.problem, again.crops) == (name, problem, finding.crops)
    for face, other in zip(finding.faces, again.faces, strict=True):
        np.testing.assert_array_equal(face.box, other.box)
        np.testing.assert_array_equal(face.landmarks, other.landmarks)
        assert (face.score, face.landmarks_estimated) == (other.score, other.landmarks_estimated)
