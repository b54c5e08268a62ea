"""Writes a folder of sources atomically.

>>> from seesaw_keras.tflite.micro.folder import write_sources
>>> write_sources("firmware/face", made)  # doctest: +SKIP
"""

import os
import shutil
from pathlib import Path

from seesaw_keras.tflite.micro.cpp_sources import MADE_BY, Export

__all__ = ["write_sources"]

_HEAD = 64  # number of leading bytes to search for `MADE_BY`


def write_sources(path: str | Path, made: Export) -> None:
    """Writes the files into their own folder, replacing an older export.

    The folder holds either the complete old or the complete new export. If the process is killed between the two
    renames, both remain next to `path`, in folders whose names begin with a dot.

    Args:
        path: target folder; parent folders are created.
        made: the export to write.

    Raises:
        OSError: the folder cannot be written.
        ValueError: the path exists and is not an export.
    """
    path = Path(path).resolve()
    _require_replaceable(path)
    temporary, old = (path.with_name(f".{os.getpid()}.{kind}.{path.name}") for kind in ("partial", "old"))
    try:
        temporary.mkdir(parents=True)
        for name, text in made.files.items():
            with (temporary / name).open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def _require_replaceable(path: Path) -> None:
    """Raises ValueError if the path is a file, or a folder with files that `write_sources` did not write."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: is a file, expected a folder")
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        if not entry.is_file() or not _is_ours(entry):
            raise ValueError(f"{path}: contains {entry.name}, which no export wrote; choose another folder")


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        return MADE_BY.encode() in opened.read(_HEAD)
