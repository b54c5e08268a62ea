"""Reads PyTorch checkpoints as plain arrays without executing any code in them.

>>> from seesaw_keras.models.pytorch_checkpoint import read_checkpoint
>>> arrays = read_checkpoint("weights.npz")  # doctest: +SKIP
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_checkpoint"]

MAX_BYTES = 1 << 30  # maximum uncompressed size; the largest network here has 20 MB of weights


def read_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Reads named arrays from a file.

    Args:
        path: an .npz archive, a PyTorch checkpoint (.pth, read with `weights_only=True`) or a TorchScript archive. The
            last two require the extra `torch`. The format is detected from the content.

    Returns:
        Arrays by name, with the names and layout of the file.

    Raises:
        ValueError: if the file is missing, damaged, too large, of an unsupported format, or would execute code.
        ImportError: if PyTorch is required but not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"checkpoint: there is no file {str(path)!r}")
    members = _zip_members(path)
    if members and all(name.endswith(".npy") for name in members):
        return _read_npz(path)
    if any("/code/" in name for name in members):
        return _read_torchscript(path, members)
    return _read_pth(path)


def _zip_members(path: Path) -> list[str]:
    """Returns the member names of a zip archive after checking its uncompressed size; empty for other files."""
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile and zlib raise several exception types here
        raise ValueError(f"checkpoint {str(path)!r}: damaged archive ({error})") from error
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_BYTES:
        raise ValueError(
            f"checkpoint {str(path)!r}: unpacks to {unpacked:,} bytes, more than the limit of {MAX_BYTES:,}"
        )
    return [member.filename for member in members]


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and NumPy raise many exception types here
        raise ValueError(f"checkpoint {str(path)!r}: not a valid .npz archive of plain arrays ({error})") from error


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "PyTorch checkpoints require PyTorch: pip install 'seesaw_keras[torch]', or save the arrays as .npz"
        ) from error
    return torch


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    torch = _torch()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch raises several exception types here
        reason = str(error).splitlines()[0]
        raise ValueError(f"checkpoint {str(path)!r}: not a PyTorch file of plain tensors ({reason})") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"checkpoint {str(path)!r}: expected a mapping of names to tensors (a state_dict)")
    return {name: value.detach().numpy() for name, value in state.items()}


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        return archive.read(name)
    except Exception as error:  # zipfile and zlib raise several exception types here
        raise ValueError(f"checkpoint {str(path)!r}: damaged member {name!r} ({error})") from error


def _read_torchscript(path: Path, members: list[str]) -> dict[str, np.ndarray]:
    torch = _torch()
    with zipfile.ZipFile(path) as archive:
        # The only part of a TorchScript archive that is executed when loading it.
        for name in members:
            if name.endswith(".py") and b"__setstate__" in _member(archive, name, path):
                raise ValueError(f"checkpoint {str(path)!r}: {name} would run code when loaded (__setstate__); refused")
    try:
        state = torch.jit.load(str(path), map_location="cpu").state_dict()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"checkpoint {str(path)!r}: not a valid TorchScript archive ({reason})") from error
    return {name: value.detach().numpy() for name, value in state.items()}
