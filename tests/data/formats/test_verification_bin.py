import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import read_bin, write_bin

IMAGES = [b"image %d" % i * 40 for i in range(6)]
SAME = [True, False, True]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("image_type", [bytes, "array", "column"])
@pytest.mark.parametrize("same_type", [bool, int, np.bool_, "array"])
def test_every_way_that_sets_were_written(tmp_path, protocol, image_type, same_type):
    images = IMAGES if image_type is bytes else [np.frombuffer(image, np.uint8) for image in IMAGES]
    if image_type == "column":  # cv2.imencode returned such until OpenCV 4.5
        images = [image[:, None] for image in images]
    same = np.array(SAME) if same_type == "array" else [same_type(item) for item in SAME]
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((images, same), protocol))
    read, labels = read_bin(path)
    assert read == IMAGES
    assert labels.dtype == np.bool_
    np.testing.assert_array_equal(labels, SAME)


def test_python_reads_what_is_written(tmp_path):
    path = tmp_path / "lfw.bin"
    write_bin(path, iter(IMAGES), np.array(SAME))
    assert pickle.loads(path.read_bytes()) == (IMAGES, SAME)
    assert read_bin(path)[0] == IMAGES
    assert all(type(item) is bool for item in pickle.loads(path.read_bytes())[1])


@pytest.mark.parametrize(("images", "same"), [(IMAGES[:5], SAME), (IMAGES, SAME[:2]), ([], [])])
def test_odd_counts_are_neither_read_nor_written(tmp_path, images, same):
    with pytest.raises(ValueError, match=rf"a\.bin: {len(images)} images and {len(same)} labels"):
        write_bin(tmp_path / "a.bin", images, same)
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.bin").write_bytes(pickle.dumps((images, same)))
    with pytest.raises(ValueError, match=rf"a\.bin: {len(images)} images and {len(same)} labels"):
        read_bin(tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([IMAGES], "expected two lists"),
        (IMAGES, "expected two lists"),
        (b"ab", "expected two lists"),
        ((b"abcd", [True, False]), "expected two lists"),
        ((IMAGES, 3), "expected two lists"),
        (([*IMAGES[:5], "text"], SAME), r"\[5\]: expected an encoded image, got str"),
        (([*IMAGES[:5], np.arange(3)], SAME), r"\[5\]: expected an encoded image, got ndarray"),
        ((IMAGES, [True, 2, False]), "pair 1: expected True or False, got int"),
        ((IMAGES, [True, False, None]), "pair 2: expected True or False, got NoneType"),
        ((IMAGES, np.zeros((3, 2), bool)), "pair 0: expected True or False, got ndarray"),
    ],
)
def test_other_pickles_are_refused(tmp_path, content, message):
    (tmp_path / "a.bin").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=rf"a\.bin.*{message}"):
        read_bin(tmp_path / "a.bin")


class Evil:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_that_calls_os_system_is_refused(tmp_path):
    path, mark = tmp_path / "lfw.bin", tmp_path / "executed"
    path.write_bytes(pickle.dumps(([Evil(f"touch {mark}"), b""], [True])))
    with pytest.raises(ValueError, match=r"lfw\.bin: the pickle imports '(posix|nt)\.system'"):
        read_bin(path)
    assert not mark.exists()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_ends_in_a_set_or_a_named_error(tmp_path_factory, damaged, data):
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(data.draw(damaged(pickle.dumps((IMAGES, SAME), data.draw(st.integers(0, 5))))))
    try:
        images, same = read_bin(path)
    except ValueError as error:
        assert "damaged.bin" in str(error)
    else:
        assert len(images) == 2 * len(same)
        assert all(type(image) is bytes for image in images)
