"""Numbered model versions, in folders named 1, 2, 3, as TensorFlow Serving expects them.

>>> from seesaw_keras.serving.versions import publish
>>> publish("face", lambda folder: (folder / "saved_model.pb").write_bytes(b""))  # doctest: +SKIP
PosixPath('face/1')
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from seesaw_keras.files import sync

__all__ = ["publish"]


def publish(model: str | Path, write: Callable[[Path], object]) -> Path:
    """Publishes a new version of a model atomically; older versions are not changed.

    A server polls the folder and loads sub-folders whose names are numbers, the highest by default. A version is
    therefore written under a temporary, non-numeric name and renamed once it is on disk.

    Args:
        model: folder of the versions; created if absent.
        write: writes the version's files to an empty folder.

    Returns:
        The version's folder, numbered one above the highest existing version, or 1 for the first.
    """
    model = Path(model)
    beside = model / f".{os.getpid()}.partial"
    shutil.rmtree(beside, ignore_errors=True)  # left over from an export that was killed
    beside.mkdir(parents=True)
    try:
        write(beside)
        for path in [*beside.rglob("*"), beside]:
            sync(path)
        version = _rename_to_next(beside)
        sync(model)
        return version
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename_to_next(beside: Path) -> Path:
    while True:
        numbers = [int(path.name) for path in beside.parent.iterdir() if path.name.isdecimal()]
        version = beside.with_name(str(max(numbers, default=0) + 1))
        try:
            return beside.rename(version)
        except OSError as error:  # another export was faster: rename never replaces a non-empty folder
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
