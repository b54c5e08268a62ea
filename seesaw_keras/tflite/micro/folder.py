"""A folder of sources, written whole or not at all.

>>> from seesaw_keras.tflite.micro.folder import write_sources
>>> write_sources("firmware/face", made)  # doctest: +SKIP
"""

import os
import shutil
from pathlib import Path

from seesaw_keras.tflite.micro.cpp_sources import MADE_BY, Export

__all__ = ["write_sources"]

_HEAD = 64  # bytes of a file among which it says who made it


def write_sources(path: str | Path, made: Export) -> None:
    """Writes the files into a folder of their own; an older export that is there goes.

    The folder is the old one or the whole new one. A kill between the two renames that this takes leaves both beside
    `path`, in folders whose names begin with a dot.

    Args:
        path: the folder; those above it are made.
        made: what to write.

    Raises:
        OSError: it cannot be written.
        ValueError: something is there that is no export.
    """
    path = Path(path).resolve()
    _require_replaceable(path)
    beside, old = (path.with_name(f".{os.getpid()}.{kind}.{path.name}") for kind in ("partial", "old"))
    try:
        beside.mkdir(parents=True)
        for name, text in made.files.items():
            with (beside / name).open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        if path.exists():
            path.rename(old)
        try:
            beside.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def _require_replaceable(path: Path) -> None:
    """Raises ValueError if there is a file, or a folder with anything but what `write_sources` wrote."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: is a file; name a folder")
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        if not entry.is_file() or not _is_ours(entry):
            raise ValueError(f"{path}: holds {entry.name}, which no export wrote; name another folder")


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        return MADE_BY.encode() in opened.read(_HEAD)
