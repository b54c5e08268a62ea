import cv2
import numpy as np
import pytest

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.synthetic import SyntheticFaces, synthetic_face, synthetic_pairs


def test_records_hold_the_very_pixels():
    faces = SyntheticFaces(3, 4, size=48, seed=5)
    assert len(faces) == 12
    records = list(faces)
    assert [record.label for record in records] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert len({record.name for record in records}) == 12
    for position in (0, 5, 11):
        record = faces[position]
        assert record == records[position]
        expected = synthetic_face(position // 4, position % 4, size=48, seed=5)
        assert (decode_image(record.image, name=record.name) == expected).all()
        assert (faces.array(position) == expected).all()


def test_labels_are_those_of_the_records():
    faces = SyntheticFaces(3, 2, size=16)
    assert faces.labels().tolist() == [record.label for record in faces]


def test_a_batch_is_its_pictures():
    faces = SyntheticFaces(4, 2, size=32)
    images, labels = faces.batch([7, 0, 3])
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert (images == np.stack([faces.array(i) for i in (7, 0, 3)])).all()
    assert labels.tolist() == [3, 0, 1]


@pytest.mark.parametrize("position", [-1, 6])
def test_there_is_no_picture_outside(position):
    with pytest.raises(IndexError, match="out of range for 6 records"):
        SyntheticFaces(3, 2).array(position)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "num_identities"),
        ((2**31 + 1, 1), "num_identities"),
        ((1, 0), "images_per_identity"),
        ((1, 1, 8), "size"),
        ((1, 1, 112, -1), "seed"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SyntheticFaces(*arguments[:2], **dict(zip(("size", "seed"), arguments[2:], strict=False)))


def test_pairs_are_balanced_and_true():
    pairs = synthetic_pairs(200, size=32)
    assert len(pairs) == 200 and len(pairs.names) == 200
    assert pairs.index.shape == (200, 2) and pairs.index.dtype == np.int64
    people = [name.split("/")[1] for name in pairs.names]
    for (first, second), same in zip(pairs.index, pairs.same, strict=True):
        assert first != second
        assert (people[first] == people[second]) == same
    assert np.bincount(pairs.folds).tolist() == [20] * 10
    for fold in range(10):
        assert pairs.same[pairs.folds == fold].sum() == 10


def test_no_person_is_in_two_folds_or_in_a_training_set():
    pairs = synthetic_pairs(400)
    people = np.array([int(name.split("/")[1]) for name in pairs.names])
    folds = [set(people[pairs.index[pairs.folds == fold]].ravel()) for fold in range(10)]
    assert sum(map(len, folds)) == len(set().union(*folds))
    assert people.min() >= 2**31  # SyntheticFaces admits no more identities than that


def test_read_draws_the_named_picture():
    pairs = synthetic_pairs(40, size=32, seed=3)
    for position in (0, 1, 39):
        _, person, image = pairs.names[position].split("/")
        decoded = cv2.imdecode(np.frombuffer(pairs.read(position), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert (decoded == synthetic_face(int(person), int(image.removesuffix(".png")), size=32, seed=3)).all()


@pytest.mark.parametrize("number", [0, 20, 50, -40])
def test_a_number_of_pairs_without_ten_equal_folds_is_refused(number):
    with pytest.raises(ValueError, match="multiple of 20"):
        synthetic_pairs(number)
