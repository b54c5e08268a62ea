"""Alignment of all faces in a folder of photographs, with a list of the detections; resumes after an interruption.

>>> from seesaw_keras.faces import open_detector
>>> from seesaw_keras.faces.photographs import AlignmentRun
>>> for finding in AlignmentRun("photographs", "aligned", open_detector()):  # doctest: +SKIP
...     print(finding.name, len(finding.faces), finding.problem)
"""

import json
import os
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.image_files import ImageFiles, open_images, read_file
from seesaw_keras.data.images import IMAGE_SUFFIXES, decode_image
from seesaw_keras.faces.alignment import TEMPLATE_SIZE, align, template
from seesaw_keras.faces.detection import main_face
from seesaw_keras.faces.face import Face, FaceDetector
from seesaw_keras.files import replacing

__all__ = ["FOUND_FILE", "NO_FACE", "SETTINGS_FILE", "SHEET_FILE", "AlignmentRun", "Finding", "open_photographs"]

FOUND_FILE = "faces.jsonl"
SETTINGS_FILE = "settings.json"
SHEET_FILE = "contact_sheet.png"
NO_FACE = "no face found"

# A crop is encoded in its photograph's format: JPEG visually lossless, the others lossless (WebP: quality above 100).
_ENCODING = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 101),
}
_ENCODING[".jpeg"] = _ENCODING[".jpg"]


@dataclass(frozen=True, eq=False)
class Finding:
    """Detection result for one photograph.

    Attributes:
        name: the photograph, as a path relative to the input folder.
        faces: all faces, the main one first, then by decreasing score.
        crops: file of each crop written, as a path relative to the output folder: main face only, or all faces.
        problem: None, `NO_FACE`, or why the photograph cannot be read.
    """

    name: str
    faces: list[Face]
    crops: list[str]
    problem: str | None

    def to_json(self) -> str:
        """Returns the finding as one line of JSON, readable by `from_json`."""
        faces = [
            {
                "box": [round(float(value), 2) for value in face.box],
                "score": round(face.score, 4),
                "landmarks": [[round(float(value), 2) for value in point] for point in face.landmarks],
                "landmarks_estimated": face.landmarks_estimated,
            }
            for face in self.faces
        ]
        return json.dumps({"name": self.name, "problem": self.problem, "crops": self.crops, "faces": faces})

    @classmethod
    def from_json(cls, line: str) -> "Finding":
        """Parses a line written by `to_json`; raises ValueError, KeyError or TypeError if it is not one."""
        fields = json.loads(line)
        faces = [
            Face(
                np.array(face["box"], np.float32).reshape(4),
                float(face["score"]),
                np.array(face["landmarks"], np.float32).reshape(-1, 2),
                bool(face["landmarks_estimated"]),
            )
            for face in fields["faces"]
        ]
        return cls(fields["name"], faces, fields["crops"], fields["problem"])


class _SingleFile:
    """A single file as a collection of image files."""

    def __init__(self, path: Path) -> None:
        self.names = [path.name]
        self._path = path

    def read(self, name: str) -> bytes:
        return read_file(self._path, name=name)


def open_photographs(path: str | Path) -> ImageFiles:
    """Lists photographs: in a folder and its sub-folders, in a .zip archive, or a single image file.

    Raises:
        FileNotFoundError: if there is no such path.
        ValueError: if the path contains no photograph.
    """
    path = Path(path)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return _SingleFile(path)
    return open_images(path)


class AlignmentRun:
    """Aligns the faces of all photographs; iterating does the work and yields one `Finding` per photograph, in order.

    The output folder gets every crop under the name of its photograph (further faces as `name.face2.jpg`),
    `faces.jsonl` with one line per photograph, and `settings.json`. A run interrupted at any moment resumes when it is
    started again and writes the same files; photographs already listed are skipped.

    Attributes:
        photographs: the image files.
        output: the output folder.
    """

    def __init__(
        self,
        photographs: str | Path,
        output: str | Path,
        detector: FaceDetector,
        *,
        all_faces: bool = False,
        size: int = TEMPLATE_SIZE,
    ) -> None:
        """Lists the photographs and opens the output folder.

        Args:
            photographs: a folder, a .zip archive or an image file.
            output: a new folder, or that of an earlier run with the same settings to resume.
            detector: the face detector.
            all_faces: whether to write every face of a photograph instead of only the main one.
            size: side of the crops in pixels.

        Raises:
            FileNotFoundError: if the input does not exist.
            NotADirectoryError: if the output is a file.
            ValueError: if there is no photograph; if the output folder lies inside the input, holds other files or was
                started with other settings; or if a photograph's name collides with a further face or contact sheet.
        """
        template(size=size)
        self.photographs = open_photographs(photographs)
        self.output = Path(output)
        self._detector, self._all_faces, self._size = detector, all_faces, size
        if self.output.resolve().is_relative_to(Path(photographs).resolve()):
            raise ValueError(
                f"{output}: inside {photographs}, so crops would be read as photographs; choose another folder"
            )
        for name in self.photographs.names:
            if name == SHEET_FILE or (all_faces and re.search(r"\.face\d+$", PurePosixPath(name).stem)):
                raise ValueError(f"{name}: its crop would be overwritten by another file; rename the photograph")
        self._open_output({"detector": detector.description, "all_faces": all_faces, "size": size})

    def __len__(self) -> int:
        return len(self.photographs.names)

    def __iter__(self) -> Iterator[Finding]:
        done = self._done()
        workers = os.cpu_count() or 1
        with (self.output / FOUND_FILE).open("a", encoding="utf-8") as journal, ThreadPoolExecutor(workers) as pool:
            ahead: deque[Finding | Future[Finding]] = deque()
            names = iter(self.photographs.names)
            try:
                while True:
                    while len(ahead) < 2 * workers and (name := next(names, None)) is not None:
                        ahead.append(done[name] if name in done else pool.submit(self._align, name))
                    if not ahead:
                        return
                    first = ahead.popleft()
                    if isinstance(first, Future):
                        line = first.result().to_json()
                        journal.write(line + "\n")
                        journal.flush()
                        first = Finding.from_json(line)  # rounded, exactly as a resumed run reads it
                    yield first
            finally:
                pool.shutdown(cancel_futures=True)

    def _open_output(self, settings: dict[str, str | bool | int]) -> None:
        file = self.output / SETTINGS_FILE
        if not file.exists():
            if self.output.exists() and any(self.output.iterdir()):
                raise ValueError(
                    f"{self.output}: contains other files, which crops might overwrite; choose a new folder"
                )
            with replacing(file) as path:
                path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
            return
        try:
            begun = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file}: not the settings of a run; choose another output folder") from error
        if begun != settings:
            raise ValueError(f"{self.output}: started with {begun}, not {settings}; choose another output folder")

    def _done(self) -> dict[str, Finding]:
        """Reads the list and truncates a last line left incomplete by a kill."""
        file = self.output / FOUND_FILE
        if not file.exists():
            return {}
        data = file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(file, whole)
        done = {}
        for number, line in enumerate(data[:whole].decode("utf-8", "replace").splitlines(), 1):
            try:
                finding = Finding.from_json(line)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{file}: line {number} is damaged; delete it to process its photograph again"
                ) from error
            done[finding.name] = finding
        return done

    def _align(self, name: str) -> Finding:
        try:
            return self._process(name)
        except (ValueError, cv2.error) as error:  # one bad photograph must not stop the others
            return Finding(name, [], [], str(error).removeprefix(f"{name}: "))

    def _process(self, name: str) -> Finding:
        image = decode_image(self.photographs.read(name), name=name)
        faces = self._detector.detect(image)
        if not faces:
            return Finding(name, [], [], NO_FACE)
        faces.insert(0, faces.pop(main_face(faces, image.shape)))
        crops = []
        for number, face in enumerate(faces if self._all_faces else faces[:1], 1):
            path = PurePosixPath(name)
            crop = name if number == 1 else str(path.with_name(f"{path.stem}.face{number}{path.suffix}"))
            self._write(crop, align(image, face.landmarks, size=self._size))
            crops.append(crop)
        return Finding(name, faces, crops, None)

    def _write(self, name: str, crop: npt.NDArray[np.uint8]) -> None:
        suffix = PurePosixPath(name).suffix.lower()
        encoded = cv2.imencode(suffix, cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), _ENCODING.get(suffix, ()))[1]
        with replacing(self.output / name) as path:
            path.write_bytes(encoded.tobytes())
