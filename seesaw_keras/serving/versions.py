"""New versions beside older ones, in folders named 1, 2, 3, as TensorFlow Serving looks for them.

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
    """Makes a new version of a model: the whole of it appears at once, and no older one is touched.

    A server polls the folder and loads what has a number for a name, the highest by default. So a version is written
    beside, under a name that is none, and renamed when it is on the disk.

    Args:
        model: folder of the versions; made if absent.
        write: puts the version's files into an empty folder.

    Returns:
        The version's folder, with the number after the highest there is, 1 for the first.
    """
    model = Path(model)
    beside = model / f".{os.getpid()}.partial"
    shutil.rmtree(beside, ignore_errors=True)  # of an export that was killed
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
        except OSError as error:  # another export was faster: a folder that holds something is never replaced
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
