"""Verification sets of held-out identities for choosing weights and settings: plain, degraded and jittered.

>>> from seesaw_keras.data.preparation.validation_sets import write_validation_sets
>>> sorted(write_validation_sets(holdout, Path("prepared/holdout"), pairs=3000, seed=0))  # doctest: +SKIP
['degraded.zip', 'turned.zip', 'validation.zip']

Each is a .zip for `open_pairs` with its own `pairs.txt` in the format of LFW's View 2: ten folds with disjoint
identities and the same number of genuine and impostor pairs. All three contain the same pairs. In `degraded.zip` every
image is degraded as in training (`degradation`), in `turned.zip` it is a jittered view, half mirrored (`views`).
"""

import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.images import decode_square
from seesaw_keras.data.order import random_permutation, random_uniforms
from seesaw_keras.data.records import Record, Source
from seesaw_keras.data.views import Views, image_key
from seesaw_keras.files import replacing, sha256_of

__all__ = ["FOLDS", "choose_pairs", "write_validation_sets"]

FOLDS = 10
QUALITY = 95  # of re-encoded JPEGs
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)  # fixed, so that the bytes do not depend on the time of writing

Pair = tuple[int, int]
Fold = tuple[Sequence[Pair], Sequence[Pair]]  # genuine, impostor


def write_validation_sets(source: Source, folder: Path, *, pairs: int, seed: int) -> dict[str, str]:
    """Writes those of the three sets that do not exist yet.

    Args:
        source: the held-out images; a person needs two to be in a genuine pair.
        folder: the output folder.
        pairs: number of genuine pairs, and of impostor pairs; a multiple of ten.
        seed: seed of the pairs, degradations and views.

    Returns:
        SHA-256 by file name.

    Raises:
        ValueError: if there are too few people for that many pairs, or an image is not square.
        OSError: if a file cannot be written.
    """
    labels = source.labels()
    folds = choose_pairs(labels, pairs=pairs, seed=seed)
    names = _names(labels)
    views = Views(jittered=1, seed=seed)

    def degraded(position: int, record: Record) -> bytes:
        return _jpeg(degrade(decode_square(record), random_uniforms(seed, 0, position, UNIFORMS)))

    def turned(_position: int, record: Record) -> bytes:
        return _jpeg(views.render(decode_square(record), image_key(record.image), 0))

    sets: dict[str, Callable[[int, Record], bytes]] = {
        "validation.zip": lambda position, record: record.image,
        "degraded.zip": degraded,
        "turned.zip": turned,
    }
    for name, change in sets.items():
        if not (folder / name).exists():
            with replacing(folder / name) as beside:
                _write(beside, source, folds, names, change)
    return {name: sha256_of(folder / name) for name in sets}


def choose_pairs(labels: npt.NDArray[np.int64], *, pairs: int, seed: int) -> list[Fold]:
    """Returns the genuine and the impostor pairs of each fold; no person is in two folds.

    Args:
        labels: (n,) the identity of every image.
        pairs: number of each kind over all folds, a multiple of ten.
        seed: seed of the choice.

    Raises:
        ValueError: if `pairs` is not a positive multiple of ten, or there are too few people.
    """
    if pairs < FOLDS or pairs % FOLDS:
        raise ValueError(f"the number of pairs must be a multiple of {FOLDS}, {FOLDS} or more, got {pairs}")
    identities = np.unique(labels)
    order = random_permutation(seed, 0, len(identities))
    folds: list[Fold] = []
    for number in range(FOLDS):
        people = [np.flatnonzero(labels == identity).tolist() for identity in identities[order[number::FOLDS]]]
        genuine = [pair for images in people for pair in itertools.combinations(images, 2)]
        impostor = [pair for one, other in itertools.combinations(people, 2) for pair in itertools.product(one, other)]
        each = pairs // FOLDS
        if min(len(genuine), len(impostor)) < each:
            raise ValueError(
                f"a fold of {len(people)} people has {len(genuine)} genuine and {len(impostor)} impostor pairs, but "
                f"needs {each} of each: hold out more people, or request fewer pairs"
            )
        chosen = []
        for kind, found in enumerate((genuine, impostor)):
            picked = random_permutation(seed, 1 + FOLDS * kind + number, len(found))[:each]
            chosen.append([found[index] for index in sorted(picked.tolist())])
        folds.append((chosen[0], chosen[1]))
    return folds


def _names(labels: npt.NDArray[np.int64]) -> list[tuple[str, int]]:
    """Returns person and image number, from 1, for every image."""
    counts = dict.fromkeys(np.unique(labels).tolist(), 0)
    names = []
    for label in labels.tolist():
        counts[label] += 1
        names.append((f"person_{label:05d}", counts[label]))
    return names


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _protocol(folds: Sequence[Fold], names: Sequence[tuple[str, int]]) -> Iterator[str]:
    yield f"{len(folds)}\t{len(folds[0][0])}"
    for genuine, impostor in folds:
        for one, other in genuine:
            yield f"{names[one][0]}\t{names[one][1]}\t{names[other][1]}"
        for one, other in impostor:
            yield "\t".join(map(str, (*names[one], *names[other])))


def _write(
    path: Path,
    source: Source,
    folds: Sequence[Fold],
    names: Sequence[tuple[str, int]],
    change: Callable[[int, Record], bytes],
) -> None:
    used = sorted({position for fold in folds for kind in fold for pair in kind for position in pair})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("pairs.txt", _EPOCH_OF_ZIP), "\n".join(_protocol(folds, names)) + "\n")
        for position in used:
            person, number = names[position]
            entry = zipfile.ZipInfo(f"{person}/{person}_{number:04d}.jpg", _EPOCH_OF_ZIP)
            archive.writestr(entry, change(position, source[position]))
