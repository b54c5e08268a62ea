"""Readers of verification protocols: InsightFace's .bin, LFW's `pairs.txt`, CFP's protocol folders.

>>> from seesaw_keras.data.formats.pair_lists import read_pairs
>>> pairs = read_pairs(Path("lfw_view2_aligned112.zip"), Path("pairs.txt"))  # doctest: +SKIP
>>> len(pairs), len(pairs.names), pairs.same.sum()  # doctest: +SKIP
(6000, 7701, 3000)
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seesaw_keras.data.formats.image_files import ImageFiles, natural_key, open_images, printable
from seesaw_keras.data.formats.verification_bin import read_bin
from seesaw_keras.data.records import Pairs

__all__ = ["read_pairs"]

MAX_PROTOCOL_BYTES = 1 << 28
FOLDS = 10  # of InsightFace's protocol, which a .bin does not store, and of LFW's View 2


@dataclass(frozen=True, slots=True)
class _Line:
    """One pair of a protocol: two image paths without suffix, and the line that names them."""

    images: tuple[str, str]
    same: bool
    fold: int
    where: str


def read_pairs(path: Path, pairs: Path | None = None) -> Pairs:
    """Reads a verification set from files; see `sources.open_pairs`."""
    if pairs is None and path.suffix.lower() == ".bin":
        return _from_bin(path)
    if pairs is None and (path / "pairs.txt").is_file():
        pairs = path / "pairs.txt"
    if pairs is None and path.suffix.lower() == ".zip" and (text := _pairs_in_zip(path)) is not None:
        return _resolve(_lfw_lines(text, f"{path}: pairs.txt"), open_images(path), path, depth=2)
    if pairs is None:
        raise ValueError(f"{path}: give LFW's pairs.txt or CFP's Protocol/Split/FP; only a .bin contains its own pairs")
    if pairs.is_dir():
        return _resolve(_cfp_lines(pairs), open_images(path), path, depth=3)
    return _resolve(_lfw_lines(pairs.read_bytes(), str(pairs)), open_images(path), path, depth=2)


def _pairs_in_zip(path: Path) -> bytes | None:
    """Returns the `pairs.txt` at the top level of an archive, or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.NameToInfo.get("pairs.txt")
            if entry is None:
                return None
            if entry.file_size > MAX_PROTOCOL_BYTES:
                raise ValueError(
                    f"{path}: pairs.txt has {entry.file_size} bytes, more than the {MAX_PROTOCOL_BYTES} allowed"
                )
            return archive.read(entry)
    except (zipfile.BadZipFile, OSError, zlib.error, RuntimeError, NotImplementedError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: not a readable .zip archive ({error}); copy it again") from error


def _from_bin(path: Path) -> Pairs:
    images, same = read_bin(path)
    count = len(same)
    names = [f"{path.name}[{i}]" for i in range(len(images))]
    folds = np.repeat(np.arange(FOLDS), [len(part) for part in np.array_split(np.empty(count), FOLDS)])
    return Pairs(names, np.arange(2 * count).reshape(count, 2), same, folds, images.__getitem__)


def _lines(content: bytes, name: str) -> list[str]:
    """Returns the lines of a protocol file, without trailing empty lines."""
    try:
        return content.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: byte {error.start} is not valid UTF-8; not a protocol file") from error


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{where}: expected a number, got {text[:40]!r}")
    return int(text)


def _lfw_lines(content: bytes, path: str) -> list[_Line]:
    """Parses LFW's protocol: folds and pairs per fold (View 2) or pairs (View 1), then that many of each kind per fold.

    A single fold is distributed over ten; pairs of each kind are consecutive, so taking all pairs in turn is even in
    each kind. Source: LFW's README, section 3c.
    """
    first, *body = _lines(content, path) or [""]
    head = [_number(field, f"{path}, line 1") for field in first.split()]
    if len(head) not in (1, 2) or 0 in head:
        raise ValueError(f"{path}, line 1: expected the number of folds and of pairs, got {first[:40]!r}")
    folds, each = head if len(head) == 2 else (1, head[0])
    if len(body) != folds * 2 * each:
        raise ValueError(
            f"{path}: line 1 declares {folds * 2 * each} pairs, but the file has {len(body)}; copy it again"
        )
    if folds == 1 and len(body) < FOLDS:
        raise ValueError(
            f"{path}, line 1: {len(body)} pairs in a single fold are too few for {FOLDS}-fold "
            f"cross-validation: list {FOLDS // 2} or more of each kind"
        )
    lines = []
    for i, text in enumerate(body):
        where = f"{path}, line {i + 2}"
        same = i // each % 2 == 0
        fields = text.split("\t") if "\t" in text else text.split()
        if len(fields) != (3 if same else 4):
            expected = "name, number, number" if same else "name, number, name, number"
            raise ValueError(f"{where}: expected {expected}, got {text[:80]!r}")
        first_name, second_name = fields[0], fields[0] if same else fields[2]
        images = _lfw(first_name, fields[1], where), _lfw(second_name, fields[-1], where)
        lines.append(_Line(images, same, i % FOLDS if folds == 1 else i // (2 * each), where))
    return lines


def _lfw(name: str, number: str, where: str) -> str:
    return f"{name}/{name}_{_number(number.strip(), where):04d}"


def _cfp_lines(split: Path) -> list[_Line]:
    """Parses CFP's protocol from `Protocol/Split/FP` or `FF`: one sub-folder per fold, with `same.txt` and `diff.txt`.

    Each line has two numbers, from the lists of frontal and (for FP) of profile images. Source: cfpw.io.
    """
    folders = sorted((folder for folder in split.iterdir() if folder.is_dir()), key=lambda f: natural_key(f.name))
    if not folders:
        raise ValueError(f"{split}: no folders 01, 02, ... with same.txt and diff.txt; give Protocol/Split/FP or FF")
    protocol = split.resolve().parents[1]
    firsts = _cfp_list(protocol / "Pair_list_F.txt")
    seconds = _cfp_list(protocol / "Pair_list_P.txt") if split.resolve().name.upper() == "FP" else firsts
    lines = []
    for fold, folder in enumerate(folders):
        for file, same in (("same.txt", True), ("diff.txt", False)):
            for number, text in enumerate(_lines((folder / file).read_bytes(), str(folder / file)), 1):
                where = f"{folder / file}, line {number}"
                fields = [_number(field.strip(), where) for field in text.split(",")]
                if len(fields) != 2 or fields[0] not in firsts or fields[1] not in seconds:
                    raise ValueError(f"{where}: {text[:40]!r} is not two numbers of {protocol}/Pair_list_*.txt")
                lines.append(_Line((firsts[fields[0]], seconds[fields[1]]), same, fold, where))
    return lines


def _cfp_list(path: Path) -> dict[int, str]:
    """Returns the images of a list whose lines have a number and `../Data/Images/001/frontal/01.jpg`."""
    images = {}
    for line, text in enumerate(_lines(path.read_bytes(), str(path)), 1):
        number, _, image = text.strip().partition(" ")
        images[_number(number, f"{path}, line {line}")] = image.strip().rpartition(".")[0]
    return images


def _resolve(lines: list[_Line], images: ImageFiles, root: Path, *, depth: int) -> Pairs:
    """Matches the images of a protocol by the last `depth` components of their paths."""
    by_tail: dict[str, list[str]] = {}
    for name in images.names:
        by_tail.setdefault(_tail(name.rpartition(".")[0], depth), []).append(name)
    positions: dict[str, int] = {}
    index = np.empty((len(lines), 2), np.int64)
    for pair, line in enumerate(lines):
        for side, image in enumerate(line.images):
            found = by_tail.get(_tail(image, depth), [])
            if len(found) != 1:
                problem = f"matches both {found[0]} and {found[1]}" if found else "is missing"
                raise ValueError(f"{line.where}: image {image} {problem} in {root}")
            index[pair, side] = positions.setdefault(found[0], len(positions))
    files = list(positions)
    return Pairs(
        [printable(name) for name in files],
        index,
        np.array([line.same for line in lines], np.bool_),
        np.array([line.fold for line in lines], np.int64),
        lambda position: images.read(files[position]),
    )


def _tail(path: str, depth: int) -> str:
    return "/".join(path.split("/")[-depth:])
