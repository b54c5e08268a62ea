"""Face embedding and verification of photographs with a flatbuffer: NumPy, OpenCV and LiteRT only, as on a device.

>>> from seesaw_keras.faces import FaceEmbedder
>>> embedder = FaceEmbedder("phone.tflite", detector="face_detection_yunet_2023mar.onnx")  # doctest: +SKIP
>>> embedder.embed("ada.jpg").shape  # doctest: +SKIP
(512,)
>>> embedder.verify("ada.jpg", "ada_later.jpg")  # doctest: +SKIP
VerifyResult(is_match=True, similarity=0.7124, threshold=0.35)
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.image_files import printable, read_file
from seesaw_keras.data.images import decode_image
from seesaw_keras.faces.alignment import align
from seesaw_keras.faces.detection import main_face, open_detector
from seesaw_keras.faces.face import FaceDetector, check_image
from seesaw_keras.files import sha256_of
from seesaw_keras.inference.embedders import FlatbufferEmbedder
from seesaw_keras.inference.preprocessing import DEFAULT_PREPROCESS, PREPROCESSES, fitted
from seesaw_keras.models.pretrained import flatbuffer_file
from seesaw_keras.tflite.conversion.interface import pixel_table

__all__ = ["RELEASED_MODEL", "FaceEmbedder", "Photograph", "VerifyResult", "as_list"]

RELEASED_MODEL = "phone.faces"  # default model of the tools
Photograph: TypeAlias = str | Path | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class VerifyResult:
    """Result of comparing two photographs.

    Attributes:
        is_match: whether the similarity reaches the threshold.
        similarity: cosine of the embeddings, -1 to 1.
        threshold: minimum similarity for the same person.
    """

    is_match: bool
    similarity: float
    threshold: float


class FaceEmbedder:
    """Detects, aligns and embeds the main face of a photograph. Thread-safe; network calls are serialized.

    Attributes:
        model_sha256: SHA-256 of the flatbuffer; embeddings of different models cannot be compared.
        embedding_size: length of an embedding.
        threshold: minimum similarity for the same person; None if neither the caller nor the flatbuffer specifies one.
    """

    def __init__(
        self,
        model: str | Path = RELEASED_MODEL,
        *,
        detector: str | Path | FaceDetector | None = None,
        aligned: bool = False,
        preprocess: str | None = None,
        threshold: float | None = None,
        threads: int = 1,
    ) -> None:
        """Loads the flatbuffer; its input preprocessing and threshold are read from its metadata.

        Args:
            model: a .tflite with one image input and one embedding output, of any number type; or the name of a
                released model, "phone.faces" or "micro.faces".
            detector: a YuNet model file (face_detection_yunet_2023mar.onnx), or a detector. None: the cascades in
                OpenCV's wheel, for frontal faces.
            aligned: whether the photographs are already aligned faces, of the model's size or another square; detection
                is skipped then.
            preprocess: input preprocessing of a flatbuffer that was not converted by `seesaw_keras`: a key of
                `seesaw_keras.inference.preprocessing.PREPROCESSES`.
            threshold: overrides the flatbuffer's threshold.
            threads: number of LiteRT threads.

        Raises:
            OSError: a file is missing or cannot be read.
            ValueError: the flatbuffer is damaged, is not an embedding network or does not specify its preprocessing;
                the threshold is not a cosine; or `detector` is not a YuNet model.
        """
        path = flatbuffer_file(model)
        if aligned and detector is not None:
            raise ValueError("aligned=True and detector cannot be combined")
        self._network = FlatbufferEmbedder(path, preprocess or DEFAULT_PREPROCESS, threads)
        if preprocess is None and pixel_table(self._network.model) is None:
            raise ValueError(
                f"{path}: no input preprocessing stored, because seesaw_keras did not convert it; give preprocess: "
                f"{', '.join(PREPROCESSES)}"
            )
        self.embedding_size = self._network.embedding_size
        stored = self._network.facts.get("threshold")
        self.threshold = _checked_threshold(stored if threshold is None else threshold, path)
        self.model_sha256 = sha256_of(path)
        self._detector = None if aligned else _detector(detector)
        self._lock = threading.Lock()

    def embed(self, images: Photograph | Iterable[Photograph]) -> npt.NDArray[np.float32]:
        """Embeds the main face of each photograph, one after the other.

        Args:
            images: a path, a uint8 RGB image (height, width, 3), or an iterable of these.

        Returns:
            float32 (embedding_size,) for one photograph, (n, embedding_size) for several; unit length.

        Raises:
            ValueError: a photograph cannot be read, shows no face, or is an aligned face of another shape; the message
                names it.
        """
        photographs = as_list(images)
        rows = [self._embed_crop(self._crop(image, f"image {k}")) for k, image in enumerate(photographs)]
        if not rows:
            return np.zeros((0, self.embedding_size), np.float32)
        return rows[0] if photographs[0] is images else np.stack(rows)

    def verify(self, first: Photograph, second: Photograph) -> VerifyResult:
        """Compares the main faces of two photographs.

        Raises:
            ValueError: see `embed` and `compare`.
        """
        return self.compare(*self.embed([first, second]))

    def compare(self, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> VerifyResult:
        """Compares two embeddings (embedding_size,) of unit length.

        Raises:
            ValueError: there is no threshold.
        """
        if self.threshold is None:
            raise ValueError(
                f"{self._network.name}: no threshold stored; give one (`seesaw evaluate` finds it on your pairs, "
                f"`seesaw convert_tflite --threshold` stores it)"
            )
        similarity = float(np.clip(first @ second, -1, 1))
        return VerifyResult(similarity >= self.threshold, similarity, self.threshold)

    def crop(self, image: Photograph) -> npt.NDArray[np.uint8]:
        """Returns the main face, aligned to the ArcFace template, uint8 RGB (side, side, 3): input of `embed_crops`.

        If the photographs are already aligned faces, this is the photograph itself.

        Raises:
            ValueError: see `embed`.
        """
        return self._crop(image, "the image")

    def embed_crops(self, crops: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Returns the embeddings (n, embedding_size) of crops returned by `crop`."""
        return np.stack([self._embed_crop(crop) for crop in crops])

    def _crop(self, image: Photograph, name: str) -> npt.NDArray[np.uint8]:
        if isinstance(image, str | Path):
            name = printable(str(image))
            image = decode_image(read_file(Path(image), name=name), name=name)
        try:
            pixels = check_image(image)
            if self._detector is None:
                fitted(pixels, self._network.layout)
                return pixels
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        faces = self._detector.detect(pixels)
        if not faces:
            raise ValueError(f"{name}: no face found")
        side = max(self._network.input_size)  # 112x96 networks take the middle of 112x112
        return align(pixels, faces[main_face(faces, pixels.shape)].landmarks, size=side)

    def _embed_crop(self, crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with self._lock:
            (row,) = self._network.embed(crop[None])
        length = np.linalg.norm(row)
        if not 0 < length < np.inf:
            raise ValueError(f"{self._network.name}: cannot normalize an embedding of norm {length:g}")
        return row / length


def as_list(images: Photograph | Iterable[Photograph]) -> list[Photograph]:
    """Returns the argument of `FaceEmbedder.embed` as a list, also for a single photograph."""
    if isinstance(images, str | Path) or (isinstance(images, np.ndarray) and images.ndim == 3):
        return [images]
    return list(images)


def _detector(detector: str | Path | FaceDetector | None) -> FaceDetector:
    return open_detector(detector) if detector is None or isinstance(detector, str | Path) else detector


def _checked_threshold(threshold: Any, path: Path) -> float | None:
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not -1 <= threshold <= 1:
        raise ValueError(f"{path}: threshold must be a cosine from -1 to 1, got {threshold!r}")
    return float(threshold)
