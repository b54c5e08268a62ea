"""The released models: files in the package and their SHA-256.

>>> from seesaw_keras.models.pretrained import released_file
>>> released_file("phone.faces.weights.h5").suffix
'.h5'
"""

import json
from pathlib import Path

from seesaw_keras.choices import unknown_name
from seesaw_keras.files import sha256_of

__all__ = ["RELEASES", "SHA256", "check_sha256", "flatbuffer_file", "released_file"]

RELEASES = ("faces",)  # values of `build(weights=...)` that select released weights, named for the training data

SHA256 = {
    "phone.faces.weights.h5": "a3273939004b4778786a45b78b132958d28c09db6ee9e4cf566af4ec00007bae",
    "phone.faces.int8.tflite": "a041566bfcdf6a3f3a218aea163636d083a9abeb0b5d13575caf92e6f77cc7b5",
    "phone.faces.golden.npz": "c75047e9f928207d91b64d73fce04f8e77aef06f98121a6b867e7f26cbee946a",
    "micro.faces.weights.h5": "7c895f591205cabbf81d799378b0afded096ad4dd4ecdadac66e00ce208f87fc",
    "micro.faces.int8.tflite": "d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615",
    "micro.faces.golden.npz": "ade995b63b7a4f1fe1c21db38715f5e1758f3b4f33c435c5b10f19c6fd5fa136",
}

# Locations in a checkout and in an installed package, where setup.py installs the same files.
_FOLDERS = (Path(__file__).parents[2] / "tflite", Path(__file__).parents[1] / "released")


def released_file(name: str) -> Path:
    """Returns the path of a released file after verifying its SHA-256.

    Args:
        name: a key of `SHA256`.

    Raises:
        ValueError: if the name is unknown in this version, or the file is missing or was modified.
    """
    if name not in SHA256:
        raise ValueError(unknown_name("released file", name, list(SHA256)))
    for folder in _FOLDERS:
        path = folder / name
        if path.is_file():
            if sha256_of(path) != SHA256[name]:
                raise ValueError(f"{path}: differs from the released file (wrong SHA-256); reinstall the package")
            return path
    raise ValueError(f"released file {name!r} not found in {_FOLDERS[0]} or {_FOLDERS[1]}; reinstall the package")


def check_sha256(path: Path) -> None:
    """Verifies the SHA-256 of a weights file, if known from a released file name or from the model card next to it.

    Args:
        path: NAME.weights.h5; the model card NAME.json, written by `seesaw release`, lists SHA-256 by file name.

    Raises:
        ValueError: if the SHA-256 does not match.
    """
    known, source = SHA256.get(path.name), "seesaw_keras.models.pretrained"
    if known is None:
        source = str(path.with_name(path.name.removesuffix(".weights.h5") + ".json"))
        known = _card_sha256(Path(source)).get(path.name)
    if known is not None and known != sha256_of(path):
        raise ValueError(f"{path}: the SHA-256 is not {known}, as listed in {source}; download it again, or rename it")


def _card_sha256(card: Path) -> dict[str, str]:
    """Returns SHA-256 by file name; empty if the JSON file is not a model card, such as a training run's best.json."""
    try:
        entries = json.loads(card.read_text("utf-8"))["sha256"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}
    return entries if isinstance(entries, dict) else {}


def flatbuffer_file(model: str | Path) -> Path:
    """Returns the path of a flatbuffer, given a path or the name of a released model such as "phone.faces".

    Raises:
        ValueError: if the released file is missing or was modified.
    """
    name = f"{model}.int8.tflite"
    return released_file(name) if name in SHA256 else Path(model)
