"""Safe reader and writer of InsightFace's verification sets (`lfw.bin`, `cfp_fp.bin`, `agedb_30.bin`, ...).

>>> from seesaw_keras.data.formats.verification_bin import read_bin
>>> images, same = read_bin("lfw.bin")  # doctest: +SKIP
>>> len(images), same.sum()  # doctest: +SKIP
(12000, 3000)

A file is a pickle of two lists: encoded images, two consecutive ones per pair, and whether each pair shows the same
person. Images are bytes or arrays of bytes. Source: InsightFace, `lfw2pack.py` and `ijb_evals`.
"""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats import plain_pickle
from seesaw_keras.files import replacing

__all__ = ["read_bin", "write_bin"]

_MAX_BYTES = 1 << 31  # the largest published set, cfp_fp, has 75 MB


def _image(item: Any, name: str) -> bytes:
    if isinstance(item, np.ndarray) and item.dtype == np.uint8:
        return item.tobytes()
    if isinstance(item, bytes):
        return item
    raise ValueError(f"{name}: expected an encoded image, got {type(item).__name__}")


def _label(item: Any, name: str) -> bool:
    if isinstance(item, bool | int | np.bool_ | np.integer) and item in (0, 1):
        return bool(item)
    raise ValueError(f"{name}: expected True or False, got {type(item).__name__}")


def read_bin(path: str | Path) -> tuple[list[bytes], npt.NDArray[np.bool_]]:
    """Reads a verification set.

    Args:
        path: a .bin file, written by any version of Python and NumPy.

    Returns:
        The 2 n encoded images, of which 2 i and 2 i + 1 are pair i, and bool (n,), whether a pair is the same person.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the pickle contains anything but two such lists; nothing in it is executed.
    """
    path = Path(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(
            f"{path}: {path.stat().st_size} bytes, more than the {_MAX_BYTES} allowed for a verification set"
        )
    content = plain_pickle.load(path.read_bytes(), name=str(path))
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise ValueError(f"{path}: not a verification set: expected two lists (images, same or not)")
    items, labels = content
    if not isinstance(items, tuple | list) or not isinstance(labels, tuple | list | np.ndarray):
        raise ValueError(f"{path}: not a verification set: expected two lists (images, same or not)")
    if not len(labels) or len(items) != 2 * len(labels):
        raise ValueError(
            f"{path}: {len(items)} images and {len(labels)} labels; each pair needs two images and one label"
        )
    images = [_image(item, f"{path}[{i}]") for i, item in enumerate(items)]
    same = np.array([_label(item, f"{path}, pair {i}") for i, item in enumerate(labels)], np.bool_)
    return images, same


def write_bin(path: str | Path, images: Iterable[bytes], same: Iterable[bool]) -> None:
    """Writes a verification set that InsightFace can read (Python 3.4 or later).

    Args:
        path: the .bin file to write.
        images: 2 n encoded images; 2 i and 2 i + 1 are pair i.
        same: n values, whether a pair is the same person.

    Raises:
        ValueError: if there are not exactly two images per value of `same`, or none.
    """
    items, labels = list(images), [bool(item) for item in same]
    if not labels or len(items) != 2 * len(labels):
        raise ValueError(
            f"{path}: {len(items)} images and {len(labels)} labels; each pair needs two images and one label"
        )
    with replacing(path) as beside:
        beside.write_bytes(pickle.dumps((items, labels), protocol=4))
