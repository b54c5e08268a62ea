"""Fingerprint of an input's file names and sizes, computed without reading its images.

>>> from seesaw_keras.data.fingerprint import fingerprint
>>> fingerprint("faces_emore/train.rec")  # doctest: +SKIP
{'name': 'train.rec', 'files': 3, 'bytes': 24083457, 'sha256_of_names_and_sizes': '6b...'}
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from seesaw_keras.data.formats.image_files import printable
from seesaw_keras.data.synthetic.names import is_synthetic

__all__ = ["fingerprint"]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        beside = [path.with_suffix(".idx"), path.with_name("property")] if path.suffix.lower() == ".rec" else []
        return [path, *(file for file in beside if file.exists())]
    tops = [Path(entry.path) for entry in os.scandir(path) if entry.is_dir()]  # including symbolic links
    files = [Path(entry.path) for entry in os.scandir(path) if entry.is_file()]
    return files + [Path(at, file) for top in tops for at, _, inside in os.walk(top) for file in inside]


def fingerprint(path: str | Path) -> dict[str, Any]:
    """Describes the files of a data set, independent of its location and modification times.

    Args:
        path: a file (for a .rec also its index and property file), or a folder with everything below it.

    Returns:
        Name, number of files, bytes, and a SHA-256 over the names and sizes. Images listed in a CSV are not included.
        A synthetic set has no files: only its name is returned.
    """
    if is_synthetic(path):
        return {"name": str(path)}
    path = Path(path)
    found = sorted((os.fsencode(os.path.relpath(file, path.parent)), file.stat().st_size) for file in _files(path))
    lines = b"".join(b"%s\0%d\n" % item for item in found)
    return {
        "name": printable(path.resolve().name),
        "files": len(found),
        "bytes": sum(size for _, size in found),
        "sha256_of_names_and_sizes": hashlib.sha256(lines).hexdigest(),
    }
