"""`open_source()` and `open_pairs()`: open a path as face images or verification pairs, in any supported format.

>>> from seesaw_keras.data.sources import open_source
>>> source = open_source("faces_emore")  # doctest: +SKIP
>>> len(source), source[0].name  # doctest: +SKIP
(5822653, 'train.rec[1]')
"""

from pathlib import Path

from seesaw_keras.data.formats.folders import CsvSource, FolderSource
from seesaw_keras.data.formats.pair_lists import read_pairs
from seesaw_keras.data.formats.recordio import RecordIOSource
from seesaw_keras.data.formats.tfrecord import TFRecordSource
from seesaw_keras.data.records import Pairs, Source
from seesaw_keras.data.synthetic.names import is_synthetic, named_faces, named_pairs

__all__ = ["open_pairs", "open_source"]

_FILES: dict[str, type[RecordIOSource | TFRecordSource | CsvSource | FolderSource]] = {
    ".rec": RecordIOSource,
    ".tfrecord": TFRecordSource,
    ".csv": CsvSource,
    ".zip": FolderSource,
}


def open_source(path: str | Path) -> Source:
    """Opens a data set in any supported format.

    | `path` | read as |
    | --- | --- |
    | `name.rec`, or a folder with one | MXNet RecordIO |
    | `name.tfrecord`, or a folder with such shards | TFRecord |
    | `name.csv` | table of `path,identity` |
    | any other folder, or a .zip | `identity/image` |
    | `synthetic:400x10@32` | 400 synthetic identities, 10 images each, 32 pixels wide |

    Args:
        path: the file or folder.

    Returns:
        The data set's records.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if the format is not recognized, or the data are damaged.
    """
    if is_synthetic(path):
        return named_faces(path)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    if path.is_dir():
        recs = sorted(path.glob("*.rec"))
        if len(recs) > 1:
            raise ValueError(f"{path}: found both {recs[0].name} and {recs[1].name}; give the file to read")
        if recs:
            return RecordIOSource(recs[0])
        return TFRecordSource(path) if any(path.glob("*.tfrecord")) else FolderSource(path)
    if path.suffix.lower() == ".bin":
        raise ValueError(f"{path}: verification pairs have no identities; open them with open_pairs()")
    if path.suffix.lower() not in _FILES:
        raise ValueError(
            f"{path}: unrecognized data set format; expected a .rec, .tfrecord or .csv file, a folder of .rec or "
            f".tfrecord files, or a folder or .zip of identity/image"
        )
    return _FILES[path.suffix.lower()](path)


def open_pairs(path: str | Path, pairs: str | Path | None = None) -> Pairs:
    """Opens a verification set.

    | `path` | `pairs` | folds |
    | --- | --- | --- |
    | InsightFace's `name.bin` | none | ten, contiguous |
    | LFW's images: a folder or .zip of `Name/Name_0001.jpg` | `pairs.txt`; none if inside it | its own; if one, ten |
    | CFP's images: a folder or .zip with `001/frontal/01.jpg` | `Protocol/Split/FP` or `Protocol/Split/FF` | its own |
    | `synthetic:2000@32`: 2,000 pairs of synthetic identities, 32 pixels wide | none | ten, no person in two |

    Accuracy is cross-validated, so the pairs of a `pairs.txt` with a single fold (LFW's View 1, a short custom list)
    are distributed over ten folds in turn: pair i goes to fold i mod 10. Folds then differ by at most one pair, by one
    pair of the same person and by one of different people; a person may be in several.

    Images are matched by the last components of their path, ignoring the suffix, so aligned copies work as well.

    Args:
        path: the images.
        pairs: the list of pairs to compare.

    Returns:
        The pairs, in the order of the protocol. Every image they name exists; only a .bin's images are already read.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file has another format, an image it names is missing, or a single fold has fewer than ten
            pairs; the message names the line.
    """
    if is_synthetic(path):
        if pairs is not None:
            raise ValueError(f"{path}: synthetic pairs have their own protocol; omit {pairs}")
        return named_pairs(path)
    return read_pairs(Path(path), None if pairs is None else Path(pairs))
