"""`seesaw gallery`: arguments, output and exit code."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from seesaw_keras.inference.embedders import StoredEmbeddings

FACES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
MODEL = ("--model", "pixels.tflite", "--aligned")


@pytest.fixture
def folder(tmp_path, pixel_network, monkeypatch):
    """A folder with people and a network whose embedding is the pixels; worked in."""
    pixel_network(threshold=0.5)
    for number, face in enumerate(FACES[:4]):
        path = tmp_path / "people" / ("Ada" if number < 3 else "Bob") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), face[..., ::-1])
    (tmp_path / "people" / "Bob" / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "years" / "Ada" / "2020").mkdir(parents=True)
    (tmp_path / "years" / "Ada" / "2020" / "4.png").write_bytes((tmp_path / "people" / "Ada" / "0.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(seesaw, folder):
    """Function: a subcommand and its arguments -> the finished command."""
    return lambda command, *arguments: seesaw("gallery", command, "--gallery", "people.gallery", *arguments)


def film(path, shades):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 2.0, (64, 64))
    for shade in shades:
        writer.write(np.full((64, 64, 3), shade, np.uint8))
    writer.release()


def test_people_are_enrolled_found_listed_exported_and_removed(run):
    done = run("enroll", *MODEL, "people")
    assert done.returncode == 0, done.stderr
    assert "people.gallery: 2 people; faces: 4 added, 0 there already, 1 not enrolled" in done.stdout
    assert "not enrolled: people/Bob/broken.jpg: " in done.stdout
    assert "0 added, 4 there already, 1 not enrolled" in run("enroll", *MODEL, "people").stdout
    done = run("identify", *MODEL, "--k", "2", "people/Ada", "people/Bob")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines if line[2] == "1.0000"] == [
        ["people/Ada/0.png", "Ada"],
        ["people/Ada/1.png", "Ada"],
        ["people/Ada/2.png", "Ada"],
        ["people/Bob/3.png", "Bob"],
    ]
    assert [line[3] for line in lines if line[2] == "1.0000"] == ["yes"] * 4
    assert lines[-1][:3] == ["people/Bob/broken.jpg", "-", "-"] and len(lines) == 9
    assert run("list").stdout == "Ada\t3\nBob\t1\n"
    done = run("export", "--out", "people.npz")
    assert "4 embeddings of 2 people" in done.stdout
    rows = FACES[:4].reshape(4, -1) - 127.5
    stored = StoredEmbeddings(Path("people.npz"))
    np.testing.assert_allclose(stored.lookup(["Bob"])[0], rows[3] / np.linalg.norm(rows[3]), atol=1e-6)
    assert run("remove", "Ada").stdout == "people.gallery: Ada and 3 embeddings are deleted\n"
    assert run("list").stdout == "Bob\t1\n"


def test_one_person_from_a_video(run):
    film("ada.avi", [10, 20, 30, 40, 50])
    done = run("enroll", *MODEL, "--name", "Ada", "--every", "1", "ada.avi", "people/Bob")
    assert done.returncode == 0, done.stderr
    assert "1 people; faces: 4 added, 0 there already, 1 not enrolled" in done.stdout
    lines = run("identify", *MODEL, "ada.avi").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["ada.avi at 0.0 s", "ada.avi at 1.0 s", "ada.avi at 2.0 s"]
    assert all(line.split("\t")[1] == "Ada" for line in lines)
    lines = run("identify", "--model", "pixels.tflite", "ada.avi").stdout.splitlines()  # with the cascades
    assert lines[0] == "ada.avi at 0.0 s\t-\t-\tno face found"


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("enrol", [], "unknown subcommand 'enrol': choose from enroll, identify, list, remove, export"),
        ("enroll", [*MODEL], "enroll requires files or folders"),
        ("enroll", [*MODEL, "people/Bob/3.png"], "people/Bob/3.png: the person's name is unknown"),
        ("enroll", [*MODEL, "people/Bob"], "the person's name is unknown"),
        ("enroll", [*MODEL, "absent"], "absent: there is no such file or folder"),
        ("enroll", [*MODEL, "."], "ambiguous: the folders in people and those in years/Ada could be people"),
        ("identify", [*MODEL, "people"], "people.gallery: no such gallery"),
        ("list", [], "people.gallery: no such gallery"),
        ("list", ["all"], "unexpected argument 'all'"),
        ("remove", [], "remove requires names"),
        ("export", [], "--out: required"),
    ],
)
def test_user_errors_print_one_line_and_create_no_gallery(run, command, arguments, message):
    done = run(command, *arguments)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.startswith("gallery: ") and done.stderr.count("\n") == 1
    assert not Path("people.gallery").exists()


def test_what_is_no_gallery_is_left_alone(run):
    Path("people.gallery").write_text("a letter")
    done = run("enroll", *MODEL, "people")
    assert "people.gallery: not a gallery: not an SQLite file" in done.stderr and done.stderr.count("\n") == 1
    assert Path("people.gallery").read_text() == "a letter"
