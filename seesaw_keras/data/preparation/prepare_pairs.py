"""Conversion of verification pairs from any supported format to InsightFace's .bin, with checks.

>>> from seesaw_keras.data.preparation.prepare_pairs import prepare_pairs
>>> manifest = prepare_pairs("lfw_view2_aligned112.zip", "lfw", pairs="pairs.txt")  # doctest: +SKIP
>>> manifest["counts"]["pairs"], manifest["files"].keys()  # doctest: +SKIP
(6000, dict_keys(['left_out.csv', 'lfw_view2_aligned112.bin']))

A .bin does not store folds: readers split it into ten of equal size. `folds_kept` in the manifest is true if these
are the input's folds.
"""

from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras._version import __version__
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.formats.verification_bin import write_bin
from seesaw_keras.data.images import decode_image
from seesaw_keras.data.preparation.run_folder import LEFT_OUT, LeftOut, RunFolder, write_table
from seesaw_keras.data.preparation.scan import Progress
from seesaw_keras.data.sources import open_pairs
from seesaw_keras.files import sha256_of

__all__ = ["prepare_pairs"]


def prepare_pairs(
    path: str | Path,
    output: str | Path,
    *,
    pairs: str | Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Writes a verification set as `output/NAME.bin`, with `left_out.csv` and `manifest.json`.

    Pairs with an undecodable image are left out; the others keep their order and bytes.

    Args:
        path: the images, see `open_pairs`.
        output: the output folder: new, empty, or of the same run.
        pairs: the list of pairs, see `open_pairs`.
        progress: called with the number of images checked.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the input is damaged as a whole, no pair is left, or `output` holds other files.
    """
    opened = open_pairs(path, pairs)
    run = {
        "seesaw_keras": __version__,
        "input": fingerprint(path),
        "pairs": fingerprint(pairs) if pairs else None,
    }
    folder = RunFolder(output, path, run)
    if folder.manifest:
        return folder.manifest
    left_out, images = [], []
    for position, name in enumerate(opened.names):
        images.append(b"")
        try:
            images[-1] = opened.read(position)
            decode_image(images[-1], name=name)
        except ValueError as error:
            left_out.append(LeftOut("undecodable", position, name, "", str(error)))
        progress("scan", position + 1, len(opened.names))
    kept = ~np.isin(opened.index, [row.position for row in left_out]).any(axis=1)
    if not kept.any():
        raise ValueError(f"{path}: no pairs are left: {len(left_out)} of {len(images)} images cannot be decoded")
    target = folder.path / f"{Path(path).resolve().stem}.bin"
    write_bin(target, (images[position] for position in opened.index[kept].ravel()), opened.same[kept])
    write_table(folder.path / LEFT_OUT, LeftOut._fields, left_out)
    facts = {
        "counts": {
            "pairs": int(kept.sum()),
            "same": int(opened.same[kept].sum()),
            "pairs_left_out": int((~kept).sum()),
            "images": len(images),
            "undecodable": len(left_out),
        },
        "folds_kept": np.array_equal(open_pairs(target).folds, opened.folds[kept]),
    }
    return folder.finish(facts, {file.name: sha256_of(file) for file in (target, folder.path / LEFT_OUT)})
