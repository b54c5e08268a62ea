"""`open_source()`: a source of face images from whatever a path names.

>>> from seesaw_keras.data.sources import open_source
>>> source = open_source("faces_emore")
>>> len(source), source[0].name
(5822653, 'train.rec[1]')
"""

from pathlib import Path

from seesaw_keras.data.folders import CsvSource, FolderSource
from seesaw_keras.data.recordio import RecordIOSource
from seesaw_keras.data.records import Source
from seesaw_keras.data.synthetic.names import is_synthetic, named_faces
from seesaw_keras.data.tfrecord import TFRecordSource

__all__ = ["open_source"]

_FILES: dict[str, type[RecordIOSource | TFRecordSource | CsvSource | FolderSource]] = {
    ".rec": RecordIOSource,
    ".tfrecord": TFRecordSource,
    ".csv": CsvSource,
    ".zip": FolderSource,
}


def open_source(path: str | Path) -> Source:
    """Opens a data set of any known form.

    | `path` | read as |
    | --- | --- |
    | `name.rec`, or a folder with one | MXNet RecordIO |
    | `name.tfrecord`, or a folder with such shards | TFRecord |
    | `name.csv` | table of `path,identity` |
    | any other folder, or a .zip | `identity/image` |
    | `synthetic:400x10@32` | 400 synthetic people in 10 pictures each, 32 pixels wide |

    Args:
        path: the file or folder.

    Returns:
        Its records.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it is none of these, or damaged.
    """
    if is_synthetic(path):
        return named_faces(path)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    if path.is_dir():
        recs = sorted(path.glob("*.rec"))
        if len(recs) > 1:
            raise ValueError(f"{path}: {recs[0].name} and {recs[1].name} are both there; name the one to read")
        if recs:
            return RecordIOSource(recs[0])
        return TFRecordSource(path) if any(path.glob("*.tfrecord")) else FolderSource(path)
    if path.suffix.lower() == ".bin":
        raise ValueError(f"{path}: verification pairs have no identities; open_pairs() reads them")
    if path.suffix.lower() not in _FILES:
        raise ValueError(
            f"{path}: is no data set that is known here: a .rec, .tfrecord or .csv file, a folder that holds .rec or "
            f".tfrecord files, or a folder or .zip of identity/image"
        )
    return _FILES[path.suffix.lower()](path)
