import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.augmentation import adjust, mirror
from seesaw_keras.data.order import random_words

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4).map(lambda words: np.array(words, np.uint64))
IMAGE = np.random.default_rng(0).integers(0, 256, (56, 56, 3), np.uint8)


def test_half_of_the_images_are_mirrored():
    mirrored = 0
    for words in random_words(0, 0, 0, 1000):
        out = mirror(IMAGE, words)
        if not np.array_equal(out, IMAGE):
            np.testing.assert_array_equal(out, IMAGE[:, ::-1])
            mirrored += 1
    assert 420 < mirrored < 580  # five standard deviations


@given(WORDS)
def test_adjust_is_its_formula(words):
    _, brightness, contrast, place = (int(word) for word in words)
    levels = np.arange(256)
    levels = (levels - 127.5) * (1 + 0.125 * (2 * contrast / 2**64 - 1)) + 127.5 + 16 * (2 * brightness / 2**64 - 1)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    # Two pixels of 56 each way: five places, equally probable.
    rows = np.clip(np.arange(56) + int(place // 2**32 / 2**32 * 5) - 2, 0, 55)
    columns = np.clip(np.arange(56) + int(place % 2**32 / 2**32 * 5) - 2, 0, 55)
    np.testing.assert_array_equal(adjust(IMAGE, words), table[IMAGE][rows][:, columns])


def test_the_middle_of_all_ranges_changes_nothing():
    np.testing.assert_array_equal(adjust(IMAGE, np.array([0, 2**63, 2**63, 2**63 + 2**31], np.uint64)), IMAGE)


def test_the_given_image_stays_as_it_is():
    kept = IMAGE.copy()
    for words in random_words(1, 0, 0, 4):
        adjust(mirror(IMAGE, words), words)
    np.testing.assert_array_equal(IMAGE, kept)
