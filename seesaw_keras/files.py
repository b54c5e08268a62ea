"""Files written whole or not at all, and what they are checked by. No dependency beyond the standard library.

>>> from seesaw_keras.files import replacing
>>> with replacing("report.json") as path:
...     path.write_text("{}")
2
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "sha256_of", "sync"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Hands out a path beside `path` to write to, and renames it to `path` once all went well.

    The file at `path` is the old one or the whole new one at every moment, also after a kill or a full disk. The path
    handed out has the suffixes of `path`, because some libraries choose the format by them.

    Args:
        path: the file to write; missing folders above it are made.

    Yields:
        The path to write to. Whatever is there when the block raises is deleted.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def sync(path: str | Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
