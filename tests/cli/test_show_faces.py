import functools

import cv2
import pytest

from seesaw_keras.data.synthetic import SyntheticFaces, synthetic_face


@pytest.fixture(scope="module")
def show(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "show_faces")


def test_without_data_it_shows_synthetic_faces(show, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    done = show("--out", out, "--identities", 2, "--images", 3, "--size", 64, "--seed", 4)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    sheet = cv2.imread(str(out))[..., ::-1]
    face = synthetic_face(1, 2, size=64, seed=4)
    assert (sheet[-68:-4, -68:-4] == face).all()


def test_it_shows_a_folder(show, tmp_path):
    for number, record in enumerate(SyntheticFaces(2, 2, size=32)):
        path = tmp_path / "faces" / "ab"[record.label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.image)
    out = tmp_path / "sheet.png"
    done = show("--data", tmp_path / "faces", "--out", out, "--size", 32)
    assert done.returncode == 0, done.stderr
    assert out.is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "/no/such/data"), "/no/such/data: there is no such file or folder"),
        (("--out", "sheet.gif"), "must end in .png"),
        (("sheet.png",), "unexpected argument 'sheet.png'"),
    ],
)
def test_user_errors_print_one_line(show, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    done = show(*flags)
    assert done.returncode == 1
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
