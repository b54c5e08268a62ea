"""Serialization of records as `tf.train.Example`, without TensorFlow and deterministic.

>>> from seesaw_keras.data.formats.example import parse_example, serialize_example
>>> from seesaw_keras.data.records import Record
>>> parse_example(serialize_example(Record(b"jpeg", 7, "a/1.jpg")), name="x.tfrecord[0]")
Record(image=b'jpeg', label=7, name='a/1.jpg')

Features: `image` and `name` (one bytes value each), `label` (one int64). The order of a protobuf map is undefined, so
`tf.train.Example.SerializeToString` may write different bytes for the same record; here the order is fixed. Source:
TensorFlow, `example.proto` and `feature.proto`; Protocol Buffers, "Encoding".
"""

from collections.abc import Iterator

from seesaw_keras.data.records import Record

__all__ = ["parse_example", "serialize_example"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _INT64_LIST = 1, 3  # fields of Feature


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content


def _feature(key: bytes, kind: int, values: bytes) -> bytes:
    return _field(1, _field(1, key) + _field(2, _field(kind, values)))


def serialize_example(record: Record) -> bytes:
    """Returns a serialized `tf.train.Example` with the features image, label and name."""
    name = record.name.encode("utf-8")
    return _field(
        1,
        _feature(b"image", _BYTES_LIST, _field(1, record.image))
        + _feature(b"label", _INT64_LIST, _field(1, _varint(record.label)))
        + _feature(b"name", _BYTES_LIST, _field(1, name)),
    )


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number at `at` and the offset after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        if shift > 63:
            raise ValueError("a varint is longer than ten bytes")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yields (field number, value) of a message, value being bytes or a varint; fixed-width fields are skipped."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"unsupported wire type {kind}")
        if size > len(data) - at:
            raise ValueError(f"a field of {size} bytes, but only {len(data) - at} bytes are left")
        if kind == _BYTES:
            yield tag >> 3, data[at : at + size]
        at += size


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    return (value for field, value in _fields(data) if field == number and isinstance(value, bytes))


def _features(data: bytes) -> dict[bytes, list[bytes | int]]:
    """Returns the values of every feature by name; float features have no values."""
    features: dict[bytes, list[bytes | int]] = {}
    for entry in (entry for features_message in _messages(data, 1) for entry in _messages(features_message, 1)):
        (key,) = _messages(entry, 1)
        values: list[bytes | int] = []
        for kind, message in (item for feature in _messages(entry, 2) for item in _fields(feature)):
            if kind not in (_BYTES_LIST, _INT64_LIST) or not isinstance(message, bytes):
                continue
            for _, value in _fields(message):
                if kind == _BYTES_LIST or isinstance(value, int):
                    values.append(value)
                else:
                    values.extend(_packed(value))
        features[key] = values
    return features


def _packed(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _read_varint(data, at)
        yield value


def parse_example(data: bytes, *, name: str) -> Record:
    """Parses a serialized `tf.train.Example` with the features image, label and name; other features are ignored.

    Args:
        data: the serialized message, from any writer.
        name: the file and record, for error messages.

    Returns:
        The record, with the name stored in the message.

    Raises:
        ValueError: if the message is damaged, or a feature is missing or of another type.
    """
    try:
        features = _features(data)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{name}: not a tf.train.Example: {error}") from None
    match features.get(b"image"), features.get(b"label"), features.get(b"name"):
        case [bytes(image)], [int(label)], [bytes(origin)] if label < 1 << 63:
            return Record(image, label, origin.decode("utf-8", "backslashreplace"))
    found = ", ".join(sorted(key.decode("utf-8", "backslashreplace") for key in features)) or "none"
    raise ValueError(
        f"{name}: expected one image (bytes), label (int64, 0 or more) and name (bytes), got features {found[:200]}"
    )
