import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import Record, TFRecordSource, shard_name, write_shard
from seesaw_keras.data.formats.crc32c import crc32c

RECORDS = [
    Record(b"\xff\xd8 jpeg", 0, "alice/1.jpg"),
    Record(b"", 2**62, "Ærøskøbing/名前.png"),
    Record(bytes(range(256)) * 20, 300, "x"),
]


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "a.tfrecord"
    assert write_shard(path, RECORDS) == 3
    return path.read_bytes()


def test_records_come_back(tmp_path, good):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(good)
    source = TFRecordSource(path)
    assert list(source) == RECORDS
    assert source[1] == RECORDS[1]
    np.testing.assert_array_equal(source.labels(), [0, 2**62, 300])


def test_tensorflow_reads_what_is_written_and_the_other_way_round(tmp_path):
    import tensorflow as tf

    path = tmp_path / "a.tfrecord"
    write_shard(path, RECORDS)
    read = [tf.train.Example.FromString(data.numpy()) for data in tf.data.TFRecordDataset(str(path))]
    for example, record in zip(read, RECORDS, strict=True):
        features = example.features.feature
        assert sorted(features) == ["image", "label", "name"]
        assert features["image"].bytes_list.value[:] == [record.image]
        assert features["label"].int64_list.value[:] == [record.label]
        assert features["name"].bytes_list.value[:] == [record.name.encode()]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in read:
            example.features.feature["weight"].float_list.value.append(0.5)
            example.features.feature["none"].SetInParent()
            writer.write(example.SerializeToString())
    assert list(TFRecordSource(path)) == RECORDS


def test_shards_are_one_source_in_their_order(tmp_path):
    for shard, part in enumerate([RECORDS[:2], [], RECORDS[2:]]):
        write_shard(tmp_path / shard_name(shard, 3), part)
    source = TFRecordSource(tmp_path)
    assert list(source) == RECORDS == [source[i] for i in range(3)]
    (tmp_path / shard_name(1, 3)).unlink()
    with pytest.raises(ValueError, match="2 of the 3 shards"):
        TFRecordSource(tmp_path)


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"contains no \*\.tfrecord"):
        TFRecordSource(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="x: label must be 0 or more, got -1"):
        write_shard(tmp_path / "a.tfrecord", [RECORDS[0], Record(b"", -1, "x")])
    assert not list(tmp_path.iterdir())


def test_a_file_is_refused_wherever_it_is_cut(tmp_path, good):
    path = tmp_path / "a.tfrecord"
    edges = np.cumsum([0, *(len(good) for good in _frames(good))])
    for length in range(1, len(good), 3):
        path.write_bytes(good[:length])
        if length not in edges:
            with pytest.raises(ValueError, match=r"a\.tfrecord\[\d\]: .*truncated"):
                TFRecordSource(path)


def _frames(data):
    while data:
        size = 16 + struct.unpack_from("<Q", data)[0]
        yield data[:size]
        data = data[size:]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_flipped_bit_is_found(tmp_path_factory, good, data):
    path = tmp_path_factory.getbasetemp() / "flipped.tfrecord"
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bad)
    with pytest.raises(ValueError, match=r"flipped\.tfrecord\[\d\]: .*checksum"):
        list(TFRecordSource(path))


@pytest.mark.parametrize("length", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_an_oversized_length_takes_no_memory(tmp_path, good, length):
    path = tmp_path / "a.tfrecord"
    head = struct.pack("<Q", length)
    path.write_bytes(good + head + masked(head) + bytes(100))
    with pytest.raises(ValueError, match=rf"a\.tfrecord\[3\]: {length} bytes are declared"):
        TFRecordSource(path)
