"""Safe reading and writing of face image data sets in common formats; only the `tf.data` input needs TensorFlow.

>>> from seesaw_keras.data import decode_image, open_source
>>> source = open_source("faces_emore")  # doctest: +SKIP
>>> image = decode_image(source[0].image, name=source[0].name)  # doctest: +SKIP

The public names are loaded on first use.
"""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.data.formats.folders import CsvSource, FolderSource
    from seesaw_keras.data.formats.recordio import RecordIOSource, write_recordio
    from seesaw_keras.data.formats.tfrecord import TFRecordSource, shard_name, write_shard
    from seesaw_keras.data.formats.verification_bin import read_bin, write_bin
    from seesaw_keras.data.images import decode_image, image_size
    from seesaw_keras.data.mixture import Mixture
    from seesaw_keras.data.preparation.prepare import prepare_faces
    from seesaw_keras.data.records import Pairs, Record, Source
    from seesaw_keras.data.sources import open_pairs, open_source
    from seesaw_keras.data.synthetic import SyntheticFaces, synthetic_face, synthetic_pairs
    from seesaw_keras.data.training_input import TrainingInput
    from seesaw_keras.data.views import Views

__all__ = [
    "CsvSource",
    "FolderSource",
    "Mixture",
    "Pairs",
    "Record",
    "RecordIOSource",
    "Source",
    "SyntheticFaces",
    "TFRecordSource",
    "TrainingInput",
    "Views",
    "decode_image",
    "image_size",
    "open_pairs",
    "open_source",
    "prepare_faces",
    "read_bin",
    "shard_name",
    "synthetic_face",
    "synthetic_pairs",
    "write_bin",
    "write_recordio",
    "write_shard",
]

_MODULES = {
    "formats.folders": ("CsvSource", "FolderSource"),
    "images": ("decode_image", "image_size"),
    "mixture": ("Mixture",),
    "training_input": ("TrainingInput",),
    "preparation.prepare": ("prepare_faces",),
    "formats.recordio": ("RecordIOSource", "write_recordio"),
    "records": ("Pairs", "Record", "Source"),
    "sources": ("open_pairs", "open_source"),
    "synthetic": ("SyntheticFaces", "synthetic_face", "synthetic_pairs"),
    "formats.tfrecord": ("TFRecordSource", "shard_name", "write_shard"),
    "formats.verification_bin": ("read_bin", "write_bin"),
    "views": ("Views",),
}

__getattr__, __dir__ = lazy.attach(
    __name__, {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
)
