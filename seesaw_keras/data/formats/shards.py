"""TFRecord shards for training: all labels available at once, records named by file and number.

>>> from seesaw_keras.data.formats.shards import IndexedShards
>>> shards = IndexedShards("shards")  # doctest: +SKIP
>>> int(shards.labels().max()), shards[0].name  # doctest: +SKIP
(7999, 'shards/faces-00000-of-00004.tfrecord[0] (alice/001.jpg)')
"""

import re
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.tfrecord import TFRecordSource
from seesaw_keras.data.records import Record

__all__ = ["IndexedShards"]

_HEAD, _FOOT = 12, 4  # length with its checksum, checksum of the data
_WINDOW = 64  # bytes, enough for the header of any feature and for a whole label
_VARINT = rb"([\x80-\xff]{0,9}[\x00-\x7f])"
_FIELD = re.compile(rb"\n" + _VARINT)
# A map entry of Features: its length, the key, and a Feature that is an Int64List of one number, packed or not.
_LABEL = re.compile(rb"\n.\n\x05label\x12.\x1a.(?:\n.|\x08)" + _VARINT, re.DOTALL)


def _number(varint: bytes) -> int:
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(varint))


def _label_at(file: BinaryIO, start: int, stop: int) -> int | None:
    """Finds the label of the `tf.train.Example` at `start`, skipping over images; None if not found that way."""
    file.seek(start)
    window = file.read(_WINDOW)
    features = _FIELD.match(window)
    if not features:
        return None
    at = start + features.end()
    window = window[features.end() :]
    while True:
        if label := _LABEL.match(window):
            return _number(label[1])
        entry = _FIELD.match(window)
        if not entry:
            return None
        at += entry.end() + _number(entry[1])
        if at >= stop:
            return None
        file.seek(at)
        window = file.read(_WINDOW)


class IndexedShards(TFRecordSource):
    """A `TFRecordSource` that reads labels without reading the images, and names records by file and number.

    Labels read this way are not covered by a verified checksum; reading the record verifies it. The shards must not
    change while they are in use.
    """

    def labels(self) -> npt.NDArray[np.int64]:
        """Returns every record's label, (n,), reading about 100 bytes per record.

        Raises:
            ValueError: if a record is damaged or has no label.
        """
        labels = np.empty(len(self), np.int64)
        for shard, path in enumerate(self.paths):
            first, last = int(self._firsts[shard]), int(self._firsts[shard + 1])
            edges = [*self._offsets[first:last].tolist(), self._sizes[shard]]
            with path.open("rb", buffering=0) as file:
                for i in range(last - first):
                    label = _label_at(file, edges[i] + _HEAD, edges[i + 1] - _FOOT)
                    if label is None or label >= 1 << 63:
                        # Other writers may nest fields in ways that only the full parser handles.
                        label = self._record(first + i).label
                    labels[first + i] = label
        return labels

    def _record(self, position: int) -> Record:
        record = super()._record(position)
        shard = int(np.searchsorted(self._firsts, position, "right")) - 1
        where = f"{self.paths[shard]}[{position - self._firsts[shard]}]"
        return replace(record, name=f"{where} ({record.name})")
