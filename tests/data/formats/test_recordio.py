import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import Record, RecordIOSource, TFRecordSource, shard_name, write_recordio, write_shard

MAGIC = b"\x0a\x23\xd7\xce"


def part(flag, content):
    return MAGIC + struct.pack("<I", flag << 29 | len(content)) + content + bytes(-len(content) % 4)


def entry(label, image=b"", key=0):
    """An image record as MXNet packs it: the label in the header, or an array of them behind it."""
    if isinstance(label, tuple):
        return struct.pack("<IfQQ", len(label), 0, key, 0) + struct.pack(f"<{len(label)}f", *label) + image
    return struct.pack("<IfQQ", 0, label, key, 0) + image


def insightface(labels):
    """The records of InsightFace's layout: header, images, identities; labels rise from 0 without gaps."""
    count, identities = len(labels), labels[-1] + 1
    records = [entry((count + 1, count + 1 + identities))]
    records += [entry(label, b"image %d" % i, i + 1) for i, label in enumerate(labels)]
    for identity in range(identities):
        keys = [i + 1 for i, label in enumerate(labels) if label == identity]
        records.append(entry((keys[0], keys[-1] + 1), key=count + 1 + identity))
    return [part(0, record) for record in records]


def index_of(parts):
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    return b"".join(b"%d\t%d\n" % (key, start) for key, start in enumerate(starts))


@pytest.fixture
def write(tmp_path):
    def write(parts, index=None, stated=None):
        path = tmp_path / "train.rec"
        path.write_bytes(b"".join(parts))
        if index is not None:
            path.with_suffix(".idx").write_bytes(index)
        if stated is not None:
            (tmp_path / "property").write_text(stated)
        return path

    return write


LABELS = [0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize("with_index", [True, False])
def test_insightface_layout(write, with_index):
    parts = insightface(LABELS)
    source = RecordIOSource(write(parts, index_of(parts) if with_index else None, "3,112,112"))
    assert list(source) == [Record(b"image %d" % i, label, f"train.rec[{i + 1}]") for i, label in enumerate(LABELS)]
    assert source.identities == 3
    np.testing.assert_array_equal(source.labels(), LABELS)
    assert source[4] == list(source)[4]
    assert list(pickle.loads(pickle.dumps(source))) == list(source)


def test_keys_decide_and_not_the_order_of_the_index(write):
    parts = insightface(LABELS)
    lines = index_of(parts).split(b"\n")
    source = RecordIOSource(write(parts, b"\r\n".join(lines[::-1])))
    assert [record.image for record in source] == [b"image %d" % i for i in range(6)]


@pytest.mark.parametrize("stated", [(6.0, 10.0), (7.0, 10.0), (8.0, 11.0)])
def test_a_header_whose_keys_were_rounded(write, monkeypatch, stated):
    # From 2 ** 24 on a float32 skips integers (Glint360K has 17 million images); here from 4 on.
    monkeypatch.setattr("seesaw_keras.data.formats.recordio._MAX_EXACT", 4)
    parts = insightface(LABELS)
    source = RecordIOSource(write([part(0, entry(stated)), *parts[1:]]))
    assert [record.image for record in source] == [b"image %d" % i for i in range(6)]
    assert source.identities == 3
    with pytest.raises(ValueError, match="no identity record near key 4"):
        RecordIOSource(write([part(0, entry((4.0, 10.0))), *parts[1:]]))


@pytest.mark.parametrize("with_index", [True, False])
def test_without_header_record_all_records_are_images(write, with_index):
    parts = [part(0, entry(label, b"%d" % label, 10 + label)) for label in (7, 3, 5)]
    index = b"30\t0\n20\t%d\n10\t%d\n" % (len(parts[0]), len(parts[0] + parts[1]))
    source = RecordIOSource(write(parts, index if with_index else None))
    names = ["train.rec[30]", "train.rec[20]", "train.rec[10]"] if with_index else [f"train.rec[{i}]" for i in range(3)]
    assert list(source) == [Record(b"%d" % i, i, name) for i, name in zip((7, 3, 5), names, strict=True)]
    assert source.identities is None


def test_the_first_of_several_labels_is_the_identity(write):
    source = RecordIOSource(write([part(0, entry((4.0, 0.25, -1.0), b"a")), part(0, entry((2.0,), b"b"))]))
    assert [(record.label, record.image) for record in source] == [(4, b"a"), (2, b"b")]
    np.testing.assert_array_equal(source.labels(), [4, 2])


@pytest.mark.parametrize(
    ("parts", "image"),
    [
        ([(1, b"12345678"), (3, b"abc")], b"12345678" + MAGIC + b"abc"),
        ([(1, b""), (2, b""), (3, b"")], MAGIC * 2),
        ([(1, b"1234"), (2, b"5678"), (2, b""), (3, b"9")], b"1234" + MAGIC + b"5678" + MAGIC * 2 + b"9"),
    ],
)
def test_multi_part_records(write, parts, image):
    (flag, first), *others = parts
    pieces = [part(flag, entry(1, first)), *(part(flag, content) for flag, content in others)]
    path = write([*pieces, part(0, entry(2, b"next"))])
    assert [(r.label, r.image) for r in RecordIOSource(path)] == [(1, image), (2, b"next")]
    np.testing.assert_array_equal(RecordIOSource(path).labels(), [1, 2])


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([MAGIC, b"x", b"ab", b"\x0a\x23", b"\0\0\0\0"])).map(b"".join), min_size=1, max_size=5
    )
)
def test_images_that_hold_the_magic_word_come_back(tmp_path_factory, jpeg, listed, images):
    images = [jpeg(0) + bytes(-len(jpeg(0)) % 4) + image for image in images]
    path = tmp_path_factory.getbasetemp() / "magic" / "train.rec"
    write_recordio(path, listed([Record(image, i, "x") for i, image in enumerate(images)]))
    assert [record.image for record in RecordIOSource(path)] == images
    path.with_suffix(".idx").unlink()
    assert [record.image for record in RecordIOSource(path)] == images
    # No reader that looks for the next record may find the word where none starts.
    content = path.read_bytes()
    starts = [at for at in range(0, len(content), 4) if content[at : at + 4] == MAGIC]
    flags = [struct.unpack_from("<I", content, at + 4)[0] >> 29 for at in starts]
    assert sum(flag in (0, 1) for flag in flags) == 1 + 2 * len(images)


def test_written_files_are_insightfaces_to_the_byte(tmp_path, listed, jpeg):
    path = tmp_path / "new" / "faces.rec"
    write_recordio(path, listed([Record(jpeg(i, 6, 10), label, "x") for i, label in enumerate(LABELS)]))
    parts = insightface(LABELS)
    parts[1:7] = [part(0, entry(label, jpeg(i, 6, 10), i + 1)) for i, label in enumerate(LABELS)]
    assert path.read_bytes() == b"".join(parts)
    assert path.with_suffix(".idx").read_bytes() == index_of(parts)
    assert path.with_name("property").read_text() == "3,6,10"
    assert len(list(path.parent.iterdir())) == 3


def test_identities_are_grouped(tmp_path, listed, jpeg):
    records = [Record(jpeg(i), label, "x") for i, label in enumerate([2, 0, 1, 0, 2])]
    write_recordio(tmp_path / "a.rec", listed(records))
    read = list(RecordIOSource(tmp_path / "a.rec"))
    assert [(r.image, r.label) for r in read] == [(records[i].image, records[i].label) for i in (1, 3, 2, 0, 4)]


def test_recordio_to_tfrecord_and_back_keeps_every_byte(tmp_path, people):
    write_recordio(tmp_path / "first" / "train.rec", people)
    first = RecordIOSource(tmp_path / "first" / "train.rec")
    for shard in range(3):
        write_shard(
            tmp_path / "shards" / shard_name(shard, 3), (first[i] for i in range(100 * shard, 100 * shard + 100))
        )
    write_recordio(tmp_path / "second" / "train.rec", TFRecordSource(tmp_path / "shards"))
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert [(r.image, r.label) for r in first] == [(r.image, r.label) for r in people]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "no records"),
        ([0, 2], "identity 1 has no image"),
        ([1, 2], "identity 0 has"),
        ([0, 1 << 40], "identity 1 "),
    ],
)
def test_labels_with_gaps_are_not_written(tmp_path, listed, jpeg, labels, message):
    with pytest.raises(ValueError, match=message):
        write_recordio(tmp_path / "a.rec", listed([Record(jpeg(0), label, "x") for label in labels]))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_files(tmp_path, people, listed):
    class Broken(listed):
        def _record(self, position):
            if position == 200:
                raise ValueError("person 40/0.jpg: gone")
            return super()._record(position)

        def labels(self):
            return np.arange(300) // 5

    path = tmp_path / "train.rec"
    write_recordio(path, listed(people.records[:5]))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="gone"):
        write_recordio(path, Broken(people.records))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


GOOD = insightface(LABELS)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b""], r"train\.rec: an empty file"),
        ([*GOOD, b"\0"], r"train\.rec\[10\]: no record can start at byte"),
        ([*GOOD, bytes(12)], r"train\.rec\[10\]: .*0xCED7230A is missing"),
        ([GOOD[0], b"X" + GOOD[1][1:], *GOOD[2:]], r"train\.rec\[1\]: .*0xCED7230A is missing"),
        ([*GOOD[:-1], GOOD[-1][:-4]], r"train\.rec\[9\]: 32 bytes are declared .* truncated"),
        ([MAGIC + struct.pack("<I", (1 << 29) - 1) + bytes(99)], r"train\.rec\[0\]: 536870911 bytes are declared"),
        ([MAGIC + struct.pack("<I", 5) + b"12345"], r"train\.rec\[0\]: 5 bytes are declared"),
        ([part(3, entry(0))], r"train\.rec\[0\]: part flag 3"),
        ([part(1, entry(0)), part(0, entry(1))], r"train\.rec\[0\]: part flag 0"),
        ([part(1, entry(0))], r"train\.rec\[0\]: no record can start at byte"),
        ([part(0, b"short")], r"train\.rec\[0\]: 5 bytes are too few for an image record"),
        ([part(0, struct.pack("<IfQQ", 1 << 30, 0, 0, 0))], r"train\.rec\[0\]: declares 1073741824 labels"),
        (GOOD[:5], r"train\.rec\[0\]: identity key 7.0 is not an integer from 0 to 5"),
        ([part(0, entry((2.0, 1e9))), *GOOD[1:]], r"train\.rec\[0\]: identity key 1000000000"),
        ([part(0, entry((2.0, 11.0))), *GOOD[1:]], r"train\.rec\[0\]: identity key 11.0"),
        ([part(0, entry((5.0, 4.0))), *GOOD[1:]], r"train\.rec\[0\]: identity records from 5 to 4"),
        ([part(0, entry((float("nan"), 4.0))), *GOOD[1:]], r"train\.rec\[0\]: identity key nan"),
    ],
)
def test_a_damaged_file_is_refused_when_it_is_opened(write, parts, message):
    with pytest.raises(ValueError, match=message):
        RecordIOSource(write(parts))


@pytest.mark.parametrize("label", [-1.0, 0.5, float("nan"), float("inf"), 1e9, 3.0])
def test_a_label_that_is_no_identity_is_refused(write, label):
    parts = list(GOOD)
    parts[2] = part(0, entry(label, b"image 1", 2))
    source = RecordIOSource(write(parts))
    for read in (lambda: source[1], source.labels, lambda: list(source)):
        with pytest.raises(ValueError, match=r"train\.rec\[2\]: label"):
            read()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (b"0\t0\n1\tx\n", r"train\.idx: .*'x'.*row 1.*delete the \.idx"),
        (b"0\t0\n1\t-4\n", r"train\.idx: expected one key and one offset per line"),
        (b"0\t0\n1\t%s\n" % (b"9" * 5000), r"train\.idx: .{,200}delete the \.idx"),
        (b"0\t0\t0\n", r"train\.idx: expected one key and one offset per line"),
        (b"0\t0\n1\n", r"train\.idx: .*from 2 to 1 at row 2"),
        (b"\xff\xfe\x00", r"train\.idx: .*row 0"),
        (b"0\t0\n1\t40\n1\t80\n", r"train\.idx: duplicate key 1"),
        (b"0\t0\n1\t0\n", r"train\.idx: duplicate offset 0"),
        (b"0\t0\n1\t41\n", r"train\.rec\[1\]: no record starts at byte 41"),
        (b"0\t0\n1\t99999999\n", r"train\.rec\[1\]: no record can start at byte 99999999"),
        (b"0\t0\n1\t40\n", r"train\.idx: the last record listed ends at byte 80"),
        (b"", r"train\.idx: an empty file"),
        (index_of(GOOD).replace(b"3\t", b"33\t", 1), r"train\.rec: its header record declares the keys 0 to 9"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(write, index, message):
    with pytest.raises(ValueError, match=message):
        RecordIOSource(write(GOOD, index))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("3", "not identities,height,width"),
        ("a,b,c", "not identities"),
        ("", "not identities"),
        ("4,112,112", "declares 3"),
        ("9" * 5000 + ",1,1", "not identities"),
    ],
)
def test_a_property_file_that_does_not_fit_is_refused(write, stated, message):
    with pytest.raises(ValueError, match=f"property: .*{message}"):
        RecordIOSource(write(GOOD, None, stated))


def test_property_counts_the_identities_where_no_header_does(write):
    source = RecordIOSource(write([part(0, entry(2, b"a"))], None, "2,112,112"))
    assert source.identities == 2
    with pytest.raises(ValueError, match=r"train\.rec\[0\]: label 2, but there are 2 identities"):
        source.labels()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damage_ends_in_records_or_a_named_error(tmp_path_factory, damaged, data):
    folder = tmp_path_factory.getbasetemp() / "damaged_rec"
    folder.mkdir(exist_ok=True)
    multi = [part(1, entry(2, b"1234")), part(3, b"5678")]
    good = b"".join([*GOOD[:6], *multi, *GOOD[7:]])
    index = index_of([*GOOD[:6], b"".join(multi), *GOOD[7:]])
    where = data.draw(st.sampled_from(["rec", "rec without idx", "idx"]))
    (folder / "train.rec").write_bytes(data.draw(damaged(good)) if where != "idx" else good)
    (folder / "train.idx").write_bytes(data.draw(damaged(index)) if where == "idx" else index)
    if where == "rec without idx":
        (folder / "train.idx").unlink()
    try:
        source = RecordIOSource(folder / "train.rec")
        records = list(source)
    except ValueError as error:
        assert "train.rec" in str(error) or "train.idx" in str(error)
        return
    np.testing.assert_array_equal(source.labels(), [record.label for record in records])
    assert len(records) == len(source)
    if where == "idx":  # nothing but what was written, under the key it was written with
        expected = [*(b"image %d" % i for i in range(5)), b"1234" + MAGIC + b"5678"]
        assert [record.image for record in records] == expected
    assert all(0 <= record.label < 3 for record in records)
