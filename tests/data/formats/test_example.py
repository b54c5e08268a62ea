import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import Record
from seesaw_keras.data.formats.example import parse_example, serialize_example


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 2**63 - 1), st.text(max_size=40))
def test_records_come_back(image, label, name):
    record = Record(image, label, name)
    assert parse_example(serialize_example(record), name="x") == record


def test_bytes_are_those_of_the_specification():
    image = b"\x0a\x0e" + b"\x0a\x05image" + b"\x12\x05\x0a\x03\x0a\x01I"  # entry: key, value: bytes_list: value
    label = b"\x0a\x0f" + b"\x0a\x05label" + b"\x12\x06\x1a\x04\x0a\x02\xac\x02"  # int64_list: packed: 300
    name = b"\x0a\x0d" + b"\x0a\x04name" + b"\x12\x05\x0a\x03\x0a\x01N"
    features = image + label + name
    assert serialize_example(Record(b"I", 300, "N")) == b"\x0a" + bytes([len(features)]) + features


def test_numbers_may_be_unpacked_and_fields_unknown():
    image = b"\x0a\x0e\x0a\x05image\x12\x05\x0a\x03\x0a\x01I"
    label = b"\x0a\x0e\x0a\x05label\x12\x05\x1a\x03\x08\xac\x02"
    name = b"\x0a\x0d\x0a\x04name\x12\x05\x0a\x03\x0a\x01N"
    unknown = b"\x50\x01" + b"\x59" + bytes(8) + b"\x65" + bytes(4) + b"\x6a\x02hi"  # varint, fixed64, fixed32, bytes
    features = name + unknown + label + image
    data = unknown + b"\x0a" + bytes([len(features)]) + features
    assert parse_example(data, name="x") == Record(b"I", 300, "N")


@settings(max_examples=300)
@given(st.data())
def test_damage_ends_in_a_record_or_a_named_error(damaged, data):
    good = serialize_example(Record(b"image" * 40, 300, "alice/1.jpg"))
    try:
        record = parse_example(data.draw(damaged(good)), name="a.tfrecord[0]")
    except ValueError as error:
        assert str(error).startswith("a.tfrecord[0]: ")
    else:
        assert record.label >= 0


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (b"", "got features none"),
        (b"\x0a\x00", "got features none"),
        (b"\x0a\x06\x0a\x04\x0a\x02ab", "got features ab"),
        (b"\x0a\x08\x0a\x06\x0a\x04four\xff", "not a tf.train.Example"),
        (b"\x0a\xff\xff\xff\xff\x0f", "a field of 4294967295 bytes, but only 0 bytes are left"),
        (b"\xff" * 20, "a varint is longer than ten bytes"),
        (b"\x0b", "wire type 3"),
        (serialize_example(Record(b"", (1 << 64) - 5, "x")), "label .int64, 0 or more"),  # -5 in two's complement
    ],
)
def test_other_messages_are_refused(example, message):
    with pytest.raises(ValueError, match=rf"^a: .*{message}"):
        parse_example(example, name="a")
