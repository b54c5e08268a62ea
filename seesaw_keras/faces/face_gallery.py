"""Gallery of enrolled people: one-to-many identification by exact search, stored in one file.

>>> from seesaw_keras.faces import FaceEmbedder, Gallery
>>> gallery = Gallery("people.gallery", FaceEmbedder("phone.tflite"))  # doctest: +SKIP
>>> gallery.enroll("Ada", ["ada1.jpg", "ada2.jpg"])  # doctest: +SKIP
2
>>> gallery.identify("somebody.jpg", k=1)  # doctest: +SKIP
[Candidate(name='Ada', similarity=0.6931, same=True)]
>>> gallery.remove("Ada")  # doctest: +SKIP
2

Embeddings are biometric data: protect the file like passwords, and delete people at their request.
"""

import hashlib
import threading
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.image_files import printable, read_file
from seesaw_keras.faces.embedder import FaceEmbedder, Photograph, as_list
from seesaw_keras.faces.gallery_file import GalleryFile, GalleryModel, GalleryState

__all__ = ["Candidate", "Gallery", "checked_name"]


class Candidate(NamedTuple):
    """A person that a photograph may show.

    Attributes:
        name: the person.
        similarity: highest cosine with any of the person's embeddings, -1 to 1.
        same: whether `similarity` reaches the embedder's threshold; None if the embedder has no threshold.
    """

    name: str
    similarity: float
    same: bool | None


class Gallery:
    """Enrolled people and their embeddings. Thread-safe; other processes may read and write the same file.

    Attributes:
        path: the gallery file.
    """

    def __init__(self, path: str | Path, embedder: FaceEmbedder) -> None:
        """Opens the gallery, or creates a new one.

        Args:
            path: the gallery file.
            embedder: computes the embeddings; a file must always be used with the same network.

        Raises:
            OSError: the file cannot be read or written.
            GalleryError: the file is not a gallery, is damaged, or holds embeddings of another model.
        """
        self.path = Path(path)
        self._embedder = embedder
        self._file = GalleryFile(path, GalleryModel(embedder.model_sha256, embedder.embedding_size))
        self._lock = threading.Lock()
        self._seen: GalleryState | None = None
        self._vectors = np.zeros((0, embedder.embedding_size), np.float32)  # has spare capacity beyond `_owners`
        self._owners = np.zeros(0, np.int64)  # index in `_names` for each embedding
        self._names: dict[str, int] = {}

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def enroll(self, name: str, images: Photograph | Iterable[Photograph]) -> int:
        """Adds the main face of each photograph to a person, all of them or none.

        Args:
            name: the person, new or already enrolled.
            images: as for `FaceEmbedder.embed`. Photographs already enrolled for the person are skipped.

        Returns:
            The number of embeddings added. They are on disk when the method returns.

        Raises:
            GalleryError: the gallery is damaged.
            OSError: the gallery cannot be written.
            ValueError: the name is empty, or a photograph shows no face or cannot be read.
        """
        name = checked_name(name)
        known = self._file.images_of(name)
        new = {digest: image for image in as_list(images) if (digest := _digest(image)) not in known}
        return self._file.add(name, dict(zip(new, self._embedder.embed(new.values()), strict=True))) if new else 0

    def identify(self, image: Photograph, k: int = 1) -> list[Candidate]:
        """Finds the people most similar to the main face of a photograph.

        Args:
            image: as for `FaceEmbedder.embed`.
            k: maximum number of candidates.

        Returns:
            The candidates, most similar first; fewer than `k` if fewer people are enrolled.

        Raises:
            GalleryError: the gallery is damaged.
            ValueError: the photograph shows no face or cannot be read, or `k` is below 1.
        """
        return self.search(self._embedder.embed(image), k)

    def search(self, embedding: npt.NDArray[np.float32], k: int = 1) -> list[Candidate]:
        """Same as `identify`, for an embedding: float32 (embedding_size,), unit length."""
        if k < 1:
            raise ValueError(f"k must be 1 or more, got {k}")
        with self._lock:
            self._refresh()
            if not self._names:
                return []
            scores = self._vectors[: len(self._owners)] @ embedding
            best = np.full(len(self._names), -np.inf, np.float32)
            np.maximum.at(best, self._owners, scores)
            names = list(self._names)
        nearest = np.argpartition(-best, min(k, len(best)) - 1)[:k]
        found = sorted((-float(best[person]), names[person]) for person in nearest)
        return [self._candidate(name, min(1.0, max(-1.0, -negative))) for negative, name in found]

    def remove(self, name: str) -> int:
        """Permanently deletes a person and returns the number of embeddings deleted; see `GalleryFile.remove`."""
        return self._file.remove(checked_name(name))

    def people(self) -> dict[str, int]:
        """Returns the number of embeddings per person, by name."""
        return self._file.people()

    def _candidate(self, name: str, similarity: float) -> Candidate:
        threshold = self._embedder.threshold
        return Candidate(name, similarity, None if threshold is None else similarity >= threshold)

    def _refresh(self) -> None:
        """Loads what any process has written since the last call."""
        changes = self._file.changes(self._seen)
        if changes.everything:
            self._vectors, self._owners, self._names = self._vectors[:0], self._owners[:0], {}
        if changes.names:
            owners = [self._names.setdefault(name, len(self._names)) for name in changes.names]
            kept, total = len(self._owners), len(self._owners) + len(owners)
            if kept == 0:
                self._vectors = changes.vectors
            else:
                if total > len(self._vectors):  # grow by half, so that many small additions copy little
                    room = np.empty((total + total // 2, self._vectors.shape[1]), np.float32)
                    room[:kept] = self._vectors[:kept]
                    self._vectors = room
                self._vectors[kept:total] = changes.vectors
            self._owners = np.append(self._owners, owners)
        self._seen = changes.state


def checked_name(name: str) -> str:
    """Returns a person's name in Unicode normalization form C, so that equal names compare equal.

    Raises:
        ValueError: the name is empty, or contains control characters or surrogates.
    """
    composed = unicodedata.normalize("NFC", name.strip())
    if not composed or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in composed):
        raise ValueError(f"invalid name {name!r}: empty, or contains control characters")
    return composed


def _digest(image: Photograph) -> bytes:
    """Returns an image's SHA-256: of the file's bytes, or of shape and pixels for an array."""
    if isinstance(image, np.ndarray):
        return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()
    return hashlib.sha256(read_file(Path(image), name=printable(str(image)))).digest()
