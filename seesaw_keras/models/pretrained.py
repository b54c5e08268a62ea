"""The released models: files that are in the package, and what they hash to.

>>> from seesaw_keras.models.pretrained import released_file
>>> released_file("phone.faces.weights.h5").suffix
'.h5'
"""

import json
from pathlib import Path

from seesaw_keras.files import sha256_of

__all__ = ["RELEASES", "SHA256", "check_sha256", "flatbuffer_file", "released_file"]

RELEASES = ("faces",)  # what they were trained on, the values of `build(weights=...)` that name no file

SHA256 = {
    "phone.faces.weights.h5": "a3273939004b4778786a45b78b132958d28c09db6ee9e4cf566af4ec00007bae",
    "phone.faces.int8.tflite": "a041566bfcdf6a3f3a218aea163636d083a9abeb0b5d13575caf92e6f77cc7b5",
    "phone.faces.golden.npz": "c75047e9f928207d91b64d73fce04f8e77aef06f98121a6b867e7f26cbee946a",
    "micro.faces.weights.h5": "7c895f591205cabbf81d799378b0afded096ad4dd4ecdadac66e00ce208f87fc",
    "micro.faces.int8.tflite": "d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615",
    "micro.faces.golden.npz": "ade995b63b7a4f1fe1c21db38715f5e1758f3b4f33c435c5b10f19c6fd5fa136",
}

# Of a checkout, and of an installed package, where setup.py puts the same files.
_FOLDERS = (Path(__file__).parents[2] / "tflite", Path(__file__).parents[1] / "released")


def released_file(name: str) -> Path:
    """Returns the path of a released file, whose content is that of the release.

    Args:
        name: a key of `SHA256`.

    Raises:
        ValueError: if there is no such file in this version, it is missing, or it was changed.
    """
    if name not in SHA256:
        raise ValueError(f"released models: there is no {name!r}; there are {', '.join(SHA256)}")
    for folder in _FOLDERS:
        path = folder / name
        if path.is_file():
            if sha256_of(path) != SHA256[name]:
                raise ValueError(f"{path}: is not the released file (its SHA-256 is another one); install it again")
            return path
    raise ValueError(f"released models: {name!r} is in neither {_FOLDERS[0]} nor {_FOLDERS[1]}; install it again")


def check_sha256(path: Path) -> None:
    """Compares weights with what is known of them: that they are released ones, by their name, or the card beside.

    Args:
        path: NAME.weights.h5; `tools/release.py` writes the card, NAME.json, with SHA-256s by name of file.

    Raises:
        ValueError: their SHA-256 is another one.
    """
    known, said_by = SHA256.get(path.name), "seesaw_keras.models.pretrained"
    if known is None:
        said_by = str(path.with_name(path.name.removesuffix(".weights.h5") + ".json"))
        known = _on_card(Path(said_by)).get(path.name)
    if known is not None and known != sha256_of(path):
        raise ValueError(f"{path}: its SHA-256 is not {known}, as {said_by} says; get the file again, or rename it")


def _on_card(card: Path) -> dict[str, str]:
    """Returns SHA-256s by name of file; none of a .json that is something else, such as the best.json of a training."""
    try:
        entries = json.loads(card.read_text("utf-8"))["sha256"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}
    return entries if isinstance(entries, dict) else {}


def flatbuffer_file(model: str | Path) -> Path:
    """Returns the path of a flatbuffer: a file, or the released one of a name such as "phone.faces".

    Raises:
        ValueError: if the released one is missing or was changed.
    """
    name = f"{model}.int8.tflite"
    return released_file(name) if name in SHA256 else Path(model)
