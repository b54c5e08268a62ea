"""Atomic file writes and checksums. No dependency beyond the standard library.

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
    """Context manager that yields a temporary path next to `path` and renames it to `path` on success.

    At every moment the file at `path` is either the old one or the complete new one, even after a kill or a full disk.
    The temporary path has the suffixes of `path`, because some libraries choose the format by them.

    Args:
        path: the file to write; missing parent folders are created.

    Yields:
        The path to write to. If the block raises, the temporary file is deleted.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: str | Path) -> None:
    """Flushes a file, or the entries of a folder, to disk."""
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
