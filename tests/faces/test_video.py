import cv2
import numpy as np
import pytest

from seesaw_keras.faces.video import frames


@pytest.fixture(params=[("film.avi", "MJPG"), ("film.mp4", "mp4v")])
def film(request, tmp_path):
    """Twenty pictures at ten a second, each of another gray."""
    name, codec = request.param
    writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*codec), 10.0, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), [0, number * 5, number * 10], np.uint8))
    writer.release()
    return tmp_path / name


@pytest.mark.parametrize(
    ("every", "wanted"), [(0, range(20)), (0.5, (0, 5, 10, 15)), (0.25, range(0, 20, 3)), (9, [0])]
)
def test_one_picture_every_so_often(film, every, wanted):
    found = list(frames(film, every=every))
    assert [seconds for seconds, _ in found] == pytest.approx([number / 10 for number in wanted])
    for number, (_, image) in zip(wanted, found, strict=True):
        assert image.shape == (48, 64, 3)
        np.testing.assert_allclose(image.mean(axis=(0, 1)), [number * 10, number * 5, 0], atol=8)


def test_what_is_no_video_is_named(tmp_path, capfd):
    (tmp_path / "film.mp4").write_bytes(b"no film")
    for name in ("film.mp4", "absent.mp4"):
        with pytest.raises(ValueError, match=rf"{name}: cannot be read as a video"):
            list(frames(tmp_path / name))
    with pytest.raises(ValueError, match="every must be 0 seconds or more, got -1"):
        list(frames(tmp_path / "film.mp4", every=-1))
    assert capfd.readouterr().err == ""
