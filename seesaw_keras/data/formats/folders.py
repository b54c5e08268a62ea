"""Images by identity: a folder (or .zip) of `identity/image`, or a CSV of `path,identity`.

>>> from seesaw_keras.data.formats.folders import FolderSource
>>> source = FolderSource("people")  # doctest: +SKIP
>>> source.identities[:2], source[0].name, source[0].label  # doctest: +SKIP
(['Ada', 'Ægir'], 'Ada/1.jpg', 0)

Identities are numbered in natural order of their names ("2" before "10"), in any script, and images within an identity
are sorted the same way: the same data give the same records on every machine.
"""

import csv
import io
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.image_files import natural_key, open_images, printable, read_file
from seesaw_keras.data.records import Record, Source

__all__ = ["CsvSource", "FolderSource"]


class _NamedSource(Source):
    """Base class of sources whose identities have names.

    Attributes:
        identities: name of each label.
    """

    def __init__(self, owners: Sequence[str]) -> None:
        """Assigns labels, given the identity name of every image."""
        self.identities = sorted(set(owners), key=natural_key)
        label_of = {identity: label for label, identity in enumerate(self.identities)}
        self._labels = np.array([label_of[owner] for owner in owners], np.int64)

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,)."""
        return self._labels.copy()

    @abstractmethod
    def _image(self, position: int) -> tuple[bytes, str]:
        """Returns the bytes and the name of an image."""

    def _record(self, position: int) -> Record:
        image, name = self._image(position)
        return Record(image, int(self._labels[position]), name)


class FolderSource(_NamedSource):
    """The images of a folder or .zip archive with one sub-folder per identity.

    Common parent folders (`lfw/Ada/1.jpg`) are allowed; images next to the identities' folders and hidden files are
    left out.

    Attributes:
        path: the folder or archive.
        identities: name of each label.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if there are no images in folders, or folders are at different levels, so that it is ambiguous
            which are identities.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._images = open_images(self.path)
        self._names = [name for name in self._images.names if "/" in name]
        if not self._names:
            raise ValueError(f"{self.path}: images are not in sub-folders; create one sub-folder per identity")
        folders = [name.rpartition("/")[0] for name in self._names]
        above = sorted({folder.rpartition("/")[0] for folder in folders})
        if len(above) > 1:
            raise ValueError(
                f"{self.path}: folders of images are at different levels, below {above[0] or '.'!r} and below "
                f"{above[1]!r}, so the identities are ambiguous; list the images in a CSV of path,identity"
            )
        super().__init__([printable(folder.rpartition("/")[2]) for folder in folders])

    def _image(self, position: int) -> tuple[bytes, str]:
        name = self._names[position]
        return self._images.read(name), printable(name)


class CsvSource(_NamedSource):
    """The images listed in a CSV file, in its order.

    The first row names the columns, including `path` and `identity`. Paths are relative to the CSV's folder, or
    absolute. The encoding is UTF-8.

    Attributes:
        path: the CSV file.
        identities: name of each label.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a table; the message names the line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: byte {error.start} is not valid UTF-8; save the table as UTF-8") from error
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = []
        try:
            if not {"path", "identity"} <= set(reader.fieldnames or ()):
                raise ValueError(f"{self.path}: the first row must contain the columns path and identity")
            for row in reader:
                file, identity = (row["path"] or "").strip(), (row["identity"] or "").strip()
                if not file or not identity or "\0" in file:
                    raise ValueError(f"{self.path}, line {reader.line_num}: path or identity is missing")
                rows.append((file, identity, reader.line_num))
        except csv.Error as error:
            raise ValueError(f"{self.path}, line {reader.reader.line_num}: {error}") from error
        if not rows:
            raise ValueError(f"{self.path}: no rows below the first")
        self._rows = rows
        super().__init__([identity for _, identity, _ in rows])

    def _image(self, position: int) -> tuple[bytes, str]:
        path, _, line = self._rows[position]
        return read_file(self.path.parent / path, name=f"{self.path}, line {line}: {path}"), path
