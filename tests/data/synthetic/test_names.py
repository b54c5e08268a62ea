import numpy as np
import pytest

from seesaw_keras.data import open_pairs, open_source, synthetic_face
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.images import decode_image


def test_a_name_opens_the_faces_it_says():
    source = open_source("synthetic:3x2@32")
    assert len(source) == 6
    record = source[5]
    assert record.label == 2
    assert np.array_equal(decode_image(record.image, name=record.name), synthetic_face(2, 1, size=32))
    assert decode_image(open_source("synthetic:1x1")[0].image, name="").shape == (112, 112, 3)


def test_a_name_opens_the_pairs_it_says():
    pairs = open_pairs("synthetic:40@16")
    assert len(pairs) == 40
    assert decode_image(pairs.read(0), name="").shape == (16, 16, 3)


@pytest.mark.parametrize(
    "name", ["synthetic:", "synthetic:3", "synthetic:3x", "synthetic:axb", "synthetic:3x2@", "synthetic:-1x2"]
)
def test_other_names_of_faces_are_refused_with_the_form_wanted(name):
    with pytest.raises(ValueError, match="PEOPLExIMAGES@SIZE"):
        open_source(name)


def test_other_names_of_pairs_are_refused():
    with pytest.raises(ValueError, match="PAIRS@SIZE"):
        open_pairs("synthetic:3x2")
    with pytest.raises(ValueError, match=r"omit pairs\.txt"):
        open_pairs("synthetic:40", "pairs.txt")
    with pytest.raises(ValueError, match="multiple of 20"):
        open_pairs("synthetic:41")


def test_the_fingerprint_is_the_name():
    assert fingerprint("synthetic:3x2@32") == {"name": "synthetic:3x2@32"}
