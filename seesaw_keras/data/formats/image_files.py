"""Encoded images in a folder or a zip archive, listed in natural order and read by name, without extracting to disk.

>>> from seesaw_keras.data.formats.image_files import open_images
>>> images = open_images("lfw_view2_aligned112.zip")  # doctest: +SKIP
>>> images.names[0], len(images.read(images.names[0]))  # doctest: +SKIP
('AJ_Lamas/AJ_Lamas_0001.jpg', 3342)
"""

import os
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from seesaw_keras.data.images import IMAGE_SUFFIXES

__all__ = ["ImageFiles", "natural_key", "open_images", "printable", "read_file"]

MAX_BYTES = 1 << 28  # of one encoded image
_LOCAL_HEAD = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field (APPNOTE.TXT, 4.3.7)


class ImageFiles(Protocol):
    """Collection of image files.

    Attributes:
        names: paths relative to the root with forward slashes, in natural order.
    """

    names: list[str]

    def read(self, name: str) -> bytes:
        """Returns the encoded image; raises a ValueError that names the file if it cannot be read."""


def natural_key(name: str) -> list:
    """Returns a sort key for paths that orders "b2" before "b10", the same on every machine and in every locale."""
    return [_component_key(component) for component in name.split("/")]


def _component_key(component: str) -> tuple:
    pieces: list = re.split(r"([0-9]+)", component)
    for i in range(1, len(pieces), 2):
        digits = pieces[i].lstrip("0")
        pieces[i] = len(digits), digits  # `int` rejects more than 4300 digits
    return pieces, component


def printable(name: str) -> str:
    """Returns a file name with invalid UTF-8 bytes escaped, so that it can be printed and written."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_file(path: Path, *, name: str) -> bytes:
    """Reads an image file; raises a ValueError that names it for pipes, devices and files too large for an image."""
    try:
        if not path.is_file():
            raise ValueError(f"{name}: there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{name}: {path.stat().st_size} bytes, more than the {MAX_BYTES} allowed for an image")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: cannot be read: {error.strerror}") from error


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in IMAGE_SUFFIXES and not hidden


def _fail(error: OSError) -> None:
    raise error  # by default `os.walk` skips folders that it cannot list


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        tops = [Path(entry.path) for entry in os.scandir(root) if entry.is_dir()]
        files = [Path(entry.path) for entry in os.scandir(root) if not entry.is_dir()]
        # Links to folders are followed only at the first level: identities may be links, and loops are avoided.
        files += [Path(at, file) for top in tops for at, _, inside in os.walk(top, onerror=_fail) for file in inside]
        found = (file.relative_to(root) for file in files)
        self.names = sorted((file.as_posix() for file in found if _is_image(PurePosixPath(file))), key=natural_key)

    def read(self, name: str) -> bytes:
        return read_file(self.root / name, name=printable(str(self.root / name)))


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, zipfile.ZipInfo] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, UnicodeError, struct.error) as error:
            raise ValueError(f"{path}: cannot be read as a zip archive: {error}; copy it again") from error
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if not entry.filename or name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                raise ValueError(
                    f"{path}: entry {entry.filename[:200]!r} is not a path inside the archive: do not trust it"
                )
            if entry.is_dir() or not _is_image(name):
                continue
            if str(name) in self._entries:
                raise ValueError(f"{path}: duplicate entry {entry.filename[:200]!r}")
            self._entries[str(name)] = entry
        self.names = sorted(self._entries, key=natural_key)

    def read(self, name: str) -> bytes:
        """Reads one entry with its own file handle: forked processes would share the offset of an open archive."""
        entry, where = self._entries[name], f"{self.path}, entry {name}"
        if not 0 <= entry.file_size <= MAX_BYTES or entry.flag_bits & 1 or entry.compress_type not in (0, 8):
            raise ValueError(f"{where}: too large, encrypted or not compressed with deflate")
        with self.path.open("rb") as file:
            file.seek(max(entry.header_offset, 0))
            head = file.read(_LOCAL_HEAD.size)
            if len(head) < _LOCAL_HEAD.size or head[:4] != b"PK\x03\x04":
                raise ValueError(f"{where}: its header is missing; copy the archive again")
            _, name_length, extra_length = _LOCAL_HEAD.unpack(head)
            file.seek(name_length + extra_length, os.SEEK_CUR)
            data = file.read(min(entry.compress_size, MAX_BYTES))
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            try:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.file_size + 1)
            except zlib.error as error:
                raise ValueError(f"{where}: damaged: {error}; copy the archive again") from error
        if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
            raise ValueError(f"{where}: size or CRC-32 does not match the archive; copy the archive again")
        return data


def open_images(path: str | Path) -> ImageFiles:
    """Lists the images of a folder (and its sub-folders) or of a .zip archive; hidden files are left out.

    Args:
        path: the folder or the archive.

    Returns:
        The images. Reading one takes no more memory than the archive declares for it, 256 MiB at most.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if the archive is damaged or has entries that point outside it, or no image is found.
    """
    path = Path(path)
    images: ImageFiles = _Folder(path) if path.is_dir() else _Zip(path)
    if not images.names:
        raise ValueError(f"{path}: no image files ({' '.join(sorted(IMAGE_SUFFIXES))})")
    return images
