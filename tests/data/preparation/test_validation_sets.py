import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data import Record, Source, Views, decode_image, open_pairs
from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.order import random_uniforms
from seesaw_keras.data.preparation.validation_sets import choose_pairs, write_validation_sets
from seesaw_keras.data.views import image_key
from seesaw_keras.files import sha256_of

PEOPLE, EACH, SIDE = 40, 3, 32


class Faces(Source):
    def __init__(self, jpeg):
        self.images = [jpeg(i, SIDE, SIDE) for i in range(PEOPLE * EACH)]

    def __len__(self):
        return len(self.images)

    def _record(self, position):
        return Record(self.images[position], position // EACH, f"faces[{position}]")


@pytest.fixture(scope="module")
def faces(jpeg):
    return Faces(jpeg)


@pytest.fixture(scope="module")
def folder(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    made = write_validation_sets(faces, folder, pairs=40, seed=3)
    assert made == {path.name: sha256_of(path) for path in folder.iterdir()}
    return folder


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(2, 4), min_size=20, max_size=40),
)
def test_pairs_are_what_they_are_said_to_be(seed, counts):
    labels = np.repeat(np.arange(len(counts)) * 7, counts)
    folds = choose_pairs(labels, pairs=20, seed=seed)
    owners = []
    for genuine, impostor in folds:
        assert len(set(genuine)) == len(set(impostor)) == 2
        assert all(labels[one] == labels[other] and one != other for one, other in genuine)
        assert all(labels[one] != labels[other] for one, other in impostor)
        owners.append({labels[image] for pair in (*genuine, *impostor) for image in pair})
    assert sum(map(len, owners)) == len(set().union(*owners))
    assert folds == choose_pairs(labels, pairs=20, seed=seed)


def test_every_set_opens_with_the_same_pairs(folder):
    plain, degraded, turned = (open_pairs(folder / f"{name}.zip") for name in ("validation", "degraded", "turned"))
    assert (len(plain), plain.same.sum(), len(set(plain.folds.tolist()))) == (80, 40, 10)
    for other in (degraded, turned):
        assert other.names == plain.names
        np.testing.assert_array_equal(other.index, plain.index)
        np.testing.assert_array_equal(other.same, plain.same)
        np.testing.assert_array_equal(other.folds, plain.folds)


def test_images_are_the_given_ones_degraded_and_turned(faces, folder):
    sets = {path.stem: open_pairs(path) for path in folder.iterdir()}
    plain = sets["validation"]
    known = {image: position for position, image in enumerate(faces.images)}
    for number in range(0, len(plain.names), 7):
        image = plain.read(number)
        face, position = decode_image(image, name=""), known[image]
        expected = {
            "degraded": degrade(face, random_uniforms(3, 0, position, UNIFORMS)),
            "turned": Views(jittered=1, seed=3).render(face, image_key(image), 0),
        }
        for name, whole in expected.items():
            _, data = cv2.imencode(".jpg", whole[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            assert sets[name].read(number) == data.tobytes()
        assert plain.names[number].split("/")[0] == f"person_{position // EACH:05d}"


def test_the_same_bytes_again_and_what_is_there_stays(faces, folder, tmp_path):
    (tmp_path / "turned.zip").write_bytes(b"there")
    made = write_validation_sets(faces, tmp_path, pairs=40, seed=3)
    assert (tmp_path / "turned.zip").read_bytes() == b"there"
    for name in ("validation.zip", "degraded.zip"):
        assert made[name] == sha256_of(folder / name)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (15, "multiple of 10"),
        (0, "10 or more, got 0"),
        (200, "12 genuine and 54 impostor pairs, but needs 20 of each"),
    ],
)
def test_too_much_is_refused(faces, tmp_path, pairs, message):
    with pytest.raises(ValueError, match=message):
        write_validation_sets(faces, tmp_path, pairs=pairs, seed=0)
    assert not list(tmp_path.iterdir())
