"""Small encoded images, a source made of them, and damage of every kind that files suffer."""

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st

from seesaw_keras.data import Record, Source


class _Listed(Source):
    def __init__(self, records):
        self.records = records

    def __len__(self):
        return len(self.records)

    def _record(self, position):
        return self.records[position]


def _jpeg(seed, height=8, width=8):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@st.composite
def _damaged(draw, good):
    """Bytes that differ from `good`: cut, lengthened, with bits flipped, words overwritten, or a stretch missing."""
    bad = bytearray(good)
    kind = draw(st.sampled_from(["cut", "flip", "word", "remove", "append"]))
    at = draw(st.integers(0, len(good) - 1))
    if kind == "cut":
        del bad[at:]
    elif kind == "flip":
        for bit in draw(st.lists(st.integers(0, 8 * len(good) - 1), min_size=1, max_size=3, unique=True)):
            bad[bit // 8] ^= 1 << bit % 8
    elif kind == "word":
        word = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\x00\x00\x00\x10"]))
        bad[at : at + 4] = word
    elif kind == "remove":
        del bad[at : at + draw(st.integers(1, 16))]
    else:
        bad += draw(st.binary(min_size=1, max_size=16))
    return bytes(bad)


@pytest.fixture(scope="session")
def damaged():
    return _damaged


@pytest.fixture(scope="session")
def jpeg():
    return _jpeg


@pytest.fixture(scope="session")
def listed():
    return _Listed


@pytest.fixture(scope="session")
def people():
    """Three hundred records of 60 identities, in the order of their labels."""
    return _Listed([Record(_jpeg(i), i // 5, f"person {i // 5}/{i % 5}.jpg") for i in range(300)])
