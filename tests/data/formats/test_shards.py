import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import Record, TFRecordSource, shard_name, write_shard
from seesaw_keras.data.formats.shards import IndexedShards

RECORDS = [Record(bytes(200 * i), label, f"person {i}") for i, label in enumerate([0, 1, 127, 128, 2**40, 2**63 - 1])]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "a.tfrecord"
    write_shard(path, RECORDS)
    return path.read_bytes()


def test_labels_are_those_of_the_records(tmp_path):
    for shard, part in enumerate([RECORDS[:2], [], RECORDS[2:]]):
        write_shard(tmp_path / shard_name(shard, 3), part)
    shards = IndexedShards(tmp_path)
    np.testing.assert_array_equal(shards.labels(), [record.label for record in RECORDS])
    assert shards.labels().dtype == np.int64
    assert shards[0].name == f"{tmp_path / shard_name(0, 3)}[0] (person 0)"
    assert shards[3].name == f"{tmp_path / shard_name(2, 3)}[1] (person 3)"
    assert [record.image for record in shards] == [record.image for record in RECORDS]


def test_labels_are_read_without_the_images(tmp_path, good):
    """The images' bytes are overwritten, which their checksum would show, were they read."""
    path = tmp_path / "a.tfrecord"
    image = good.rindex(RECORDS[-1].image)
    path.write_bytes(good[:image] + b"\xff" * len(RECORDS[-1].image) + good[image + len(RECORDS[-1].image) :])
    assert IndexedShards(path).labels()[-1] == 2**63 - 1
    with pytest.raises(ValueError, match=r"a\.tfrecord\[5\]: the checksum of the record is wrong"):
        IndexedShards(path)[5]


def test_labels_of_other_writers(tmp_path):
    import tensorflow as tf

    def feature(**kinds):
        return tf.train.Feature(**kinds)

    def example(label, order):
        features = {
            "image": feature(bytes_list=tf.train.BytesList(value=[b"\n\x05label\x12\x05\x1a\x03\n\x01\x07" * 9])),
            "label": feature(int64_list=tf.train.Int64List(value=[label])),
            "name": feature(bytes_list=tf.train.BytesList(value=[b"x"])),
            "weight": feature(float_list=tf.train.FloatList(value=[0.5] * 40)),
        }
        parts = [tf.train.Features(feature={key: features[key]}).SerializeToString() for key in order]
        whole = b"".join(parts)
        # The varint of a Features message of up to 16 KiB.
        return b"\n" + bytes([len(whole) & 0x7F | 0x80, len(whole) >> 7]) + whole

    orders = [["label", "image", "name"], ["weight", "name", "label", "image"], ["image", "weight", "name", "label"]]
    path = str(tmp_path / "a.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for label, order in enumerate(orders):
            writer.write(example(label + 300, order))
        # An Example in two messages, which protobuf merges, then an unpacked label.
        writer.write(example(1, ["image"]) + example(303, ["name", "label"]))
        unpacked = b"\n\x0e\n\x05label\x12\x05\x1a\x03\x08\xb0\x02"
        writer.write(b"\n" + bytes([len(unpacked)]) + unpacked + example(1, ["image", "name"]))
    expected = [300, 301, 302, 303, 304]
    np.testing.assert_array_equal(TFRecordSource(path).labels(), expected)
    np.testing.assert_array_equal(IndexedShards(path).labels(), expected)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_ends_in_a_clear_error(tmp_path_factory, good, damaged, data):
    path = tmp_path_factory.getbasetemp() / "damaged_shard.tfrecord"
    path.write_bytes(data.draw(damaged(good)))
    try:
        shards = IndexedShards(path)
        labels = shards.labels()
    except ValueError as error:
        assert f"{path}[" in str(error) or not path.stat().st_size
        return
    for position, label in enumerate(labels):
        try:
            assert shards[position].label == label == RECORDS[position].label
        except ValueError as error:
            assert f"{path}[{position}]" in str(error)
