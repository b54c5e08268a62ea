"""A gallery against a search by brute force, with a network whose embedding is the pixels."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.faces import Candidate, FaceEmbedder, Gallery, GalleryError

R = np.random.default_rng(0)
FACES = R.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def embedder(pixel_network):
    return FaceEmbedder(pixel_network(), aligned=True)


@pytest.fixture
def gallery(tmp_path, embedder):
    with Gallery(tmp_path / "people.gallery", embedder) as gallery:
        yield gallery


class Numbers:
    """An embedder of images that are embeddings."""

    model_sha256, embedding_size, threshold = "00" * 32, 3, 0.5


def test_a_face_finds_its_person(gallery, embedder):
    assert gallery.identify(FACES[0]) == []
    assert gallery.enroll("Ada", [FACES[0], FACES[1]]) == 2
    assert gallery.enroll("Bob", FACES[2]) == 1
    rows = embedder.embed(FACES)
    first, second = gallery.identify(FACES[1], k=5)
    assert first == ("Ada", pytest.approx(1, abs=1e-6), True)
    assert second == ("Bob", pytest.approx(rows[1] @ rows[2], abs=1e-6), False)
    assert gallery.identify(FACES[2]) == [("Bob", pytest.approx(1, abs=1e-6), True)]
    assert gallery.people() == {"Ada": 2, "Bob": 1}


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.tuples(*[st.integers(-9, 9)] * 3).filter(any)), max_size=30),
    query=st.tuples(*[st.integers(-9, 9)] * 3).filter(any),
    k=st.integers(1, 8),
    removed=st.integers(0, 7),
)
def test_search_is_brute_force(tmp_path_factory, rows, query, k, removed):
    query = np.float32(query) / np.float32(np.linalg.norm(query))
    stored = {}
    with Gallery(tmp_path_factory.mktemp("g") / "g", Numbers()) as gallery:
        for at, (person, row) in enumerate(rows):
            unit = np.float32(row) / np.float32(np.linalg.norm(row))
            gallery._file.add(f"P{person}", {b"%d" % at: unit})
            stored.setdefault(f"P{person}", []).append(float(unit.astype(float) @ query))
            if at % 7 == 3:
                gallery.search(query)
        if stored.pop(f"P{removed}", None):
            gallery.remove(f"P{removed}")
        found = gallery.search(query, k)
    best = {name: max(scores) for name, scores in stored.items()}
    assert [candidate.similarity for candidate in found] == pytest.approx(sorted(best.values())[::-1][:k], abs=1e-6)
    assert len({candidate.name for candidate in found}) == len(found)
    for name, similarity, same in found:
        assert similarity == pytest.approx(best[name], abs=1e-6) and same == (similarity >= 0.5)


def test_an_image_is_enrolled_once_and_not_looked_at_again(gallery, tmp_path, monkeypatch):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), FACES[0])
    assert gallery.enroll("Ada", [path, FACES[1], FACES[1]]) == 2
    assert gallery.enroll("Bob", path) == 1, "of another person it is another enrolment"
    monkeypatch.setattr(FaceEmbedder, "embed", None)
    path.rename(tmp_path / "same.png")
    assert gallery.enroll("Ada", [tmp_path / "same.png", FACES[1]]) == 0


def test_all_images_of_a_call_or_none(pixel_network, tmp_path, rectangles, picture):
    embedder = FaceEmbedder(pixel_network(), detector=rectangles)
    with Gallery(tmp_path / "g", embedder) as gallery:
        with pytest.raises(ValueError, match="image 1: no face found"):
            gallery.enroll("Ada", [picture(90, 90, (20, 20, 50, 50)), picture(50, 50)])
        assert gallery.people() == {}


def test_what_another_process_writes_is_seen(gallery, embedder):
    gallery.enroll("Ada", FACES[:2])
    assert gallery.identify(FACES[5])[0].name == "Ada"
    with Gallery(gallery.path, embedder) as other:
        for number in range(2, 12):
            other.enroll(f"P{number}", FACES[number])
            assert gallery.identify(FACES[number])[0].name == f"P{number}"
        other.remove("P5")
    assert gallery.identify(FACES[5])[0].name != "P5"
    assert len(gallery.identify(FACES[0], k=99)) == 10


def test_a_removed_person_is_not_found_and_can_come_back(gallery):
    gallery.enroll("Ada", FACES[0])
    gallery.enroll("Bob", FACES[1])
    assert gallery.identify(FACES[0])[0].name == "Ada"
    assert gallery.remove("Ada") == 1
    assert [candidate.name for candidate in gallery.identify(FACES[0], k=9)] == ["Bob"]
    gallery.enroll("Ada", FACES[0])
    assert gallery.identify(FACES[0])[0].name == "Ada"
    gallery.remove("Ada")
    gallery.remove("Bob")
    assert gallery.identify(FACES[0]) == []


def test_names_are_the_same_however_they_are_typed(gallery):
    gallery.enroll("Zoe\u0308 ", FACES[0])
    gallery.enroll("Zo\u00eb", FACES[1])
    assert gallery.people() == {"Zo\u00eb": 2}
    assert gallery.remove("Zoe\u0308") == 2
    for name in ("", "  ", "a\0b", "two\nlines", "\ud800"):
        with pytest.raises(ValueError, match="invalid name"):
            gallery.enroll(name, FACES[0])


def test_without_threshold_nobody_is_said_to_be_the_same(pixel_network, tmp_path):
    embedder = FaceEmbedder(pixel_network(own=False), aligned=True, preprocess="raw")
    with Gallery(tmp_path / "g", embedder) as gallery:
        gallery.enroll("Ada", FACES[0])
        assert gallery.identify(FACES[0]) == [Candidate("Ada", pytest.approx(1, abs=1e-6), None)]


def test_mistakes_are_named(gallery, pixel_network, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        gallery.identify(FACES[0], k=0)
    for name in ("absent.jpg", "pipe.jpg"):  # reading a pipe would not end
        with pytest.raises(ValueError, match=rf"{name}: there is no such file"):
            gallery.enroll("Ada", tmp_path / name)
    with pytest.raises(GalleryError, match="contains embeddings of another model"):
        Gallery(gallery.path, FaceEmbedder(pixel_network("other.tflite", threshold=0.6), aligned=True))
    with pytest.raises(OSError):
        Gallery(tmp_path, gallery._embedder)
    with pytest.raises(OSError):
        Gallery(os.fspath(tmp_path / "no" / "folder"), gallery._embedder)
