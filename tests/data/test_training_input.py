from itertools import pairwise

import cv2
import numpy as np
import pytest

from seesaw_keras.data import Record, decode_image, shard_name, write_shard
from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.order import random_uniforms, random_words
from seesaw_keras.data.training_input import TrainingInput
from seesaw_keras.data.views import Views, image_key

COUNT, SIDE = 32, 24
LABELS = [i // 4 for i in range(COUNT)]


@pytest.fixture(scope="module")
def records(jpeg):
    def image(i):
        return jpeg(i, SIDE, SIDE) if i % 3 else cv2.imencode(".png", decode_image(jpeg(i, SIDE, SIDE), name=""))[1]

    return [Record(bytes(image(i)), LABELS[i], f"person {LABELS[i]}/{i}.jpg") for i in range(COUNT)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("shards")
    for shard, (start, stop) in enumerate(pairwise([0, 10, 17, 32])):
        write_shard(folder / shard_name(shard, 3), records[start:stop])
    return folder


@pytest.fixture(scope="module")
def open_input(shards):
    def make(**arguments):
        return TrainingInput(shards, **{"batch_size": 6, "image_size": SIDE, "seed": 5, **arguments})

    return make


def batches(dataset, count=None):
    """The batches of a dataset as NumPy arrays, the first `count` or all."""
    return list((dataset if count is None else dataset.take(count)).as_numpy_iterator())


def assert_equal(left, right):
    assert len(left) == len(right)
    for (left_images, left_labels), (right_images, right_labels) in zip(left, right, strict=True):
        np.testing.assert_array_equal(left_images, right_images)
        np.testing.assert_array_equal(left_labels, right_labels)


def test_facts(open_input):
    faces = open_input()
    assert (faces.num_images, faces.num_classes, faces.steps_per_epoch) == (32, 8, 5)
    assert open_input(drop_remainder=False).steps_per_epoch == 6


@pytest.mark.parametrize("degraded", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("views", [Views(flip=False), Views(), Views(jittered=3)], ids=str)
def test_batches_recomputed(open_input, records, views, degraded):
    faces = open_input(views=views, degrade=degraded, drop_remainder=False)
    read = batches(faces.dataset(epochs=2))
    assert len(read) == 12
    shown, changed = set(), 0
    for number, (images, labels) in enumerate(read):
        epoch, step = divmod(number, 6)
        indices = faces.batch_indices(epoch, step)
        np.testing.assert_array_equal(labels, [LABELS[i] for i in indices])
        for place, index in enumerate(indices):
            view, chance = (int(word) / 2**64 for word in random_words(5, epoch, step * 6 + place, 1)[0][:2])
            shown.add(int(view * len(views)))
            expected = decode_image(records[index].image, name="")
            expected = views.render(expected, image_key(records[index].image), int(view * len(views)))
            if chance < degraded:
                expected = degrade(expected, random_uniforms(5, epoch, step * 6 + place, UNIFORMS))
                changed += 1
            np.testing.assert_allclose(images[place], (expected / 127.5) - 1, rtol=0, atol=2e-7)
    assert len(shown) == len(views)
    assert (changed > 0, changed < 64) == (degraded > 0, degraded < 1)


def test_images_are_degraded_before_they_are_scaled(open_input, records):
    """So that `degrade` means the same for a network of any size."""
    faces = open_input(views=Views(flip=False), degrade=1.0, image_size=12)
    images, _ = faces.load(0, 0)
    for place, index in enumerate(faces.batch_indices(0, 0)):
        whole = degrade(decode_image(records[index].image, name=""), random_uniforms(5, 0, place, UNIFORMS))
        np.testing.assert_array_equal(images[place], cv2.resize(whole, (12, 12), interpolation=cv2.INTER_AREA))


def test_pixels_are_those_of_tensorflow(open_input, records):
    import tensorflow as tf

    faces = open_input(views=Views(flip=False))
    for step, (images, _) in enumerate(batches(faces.dataset(epochs=1))):
        for image, index in zip(images, faces.batch_indices(0, step), strict=True):
            decoded = tf.io.decode_image(records[index].image, channels=3)
            if records[index].image[:2] == b"\xff\xd8":
                decoded = tf.io.decode_jpeg(records[index].image, channels=3, dct_method="INTEGER_ACCURATE")
            # Builds of libjpeg differ by a gray level; those that were tried do not.
            np.testing.assert_allclose(image * 127.5 + 127.5, decoded, rtol=0, atol=1.001)


def test_an_epoch_holds_every_image_once(open_input, records):
    faces = open_input(views=Views(flip=False), drop_remainder=False)
    known = {decode_image(record.image, name="").tobytes(): i for i, record in enumerate(records)}
    for epoch in range(2):
        images = [image for step in range(faces.steps_per_epoch) for image in faces.load(epoch, step)[0]]
        assert sorted(known[image.tobytes()] for image in images) == list(range(COUNT))


def test_the_same_seed_gives_the_same_batches(open_input):
    first = batches(open_input(degrade=0.5).dataset(), 7)
    assert_equal(first, batches(open_input(degrade=0.5).dataset(), 7))
    for other in (open_input(degrade=0.5, seed=6), open_input(degrade=0.5, seed=5 + 2**32)):
        assert not np.array_equal(batches(other.dataset(), 1)[0][0], first[0][0])


@pytest.mark.parametrize("per_identity", [None, 2])
@pytest.mark.parametrize("epoch_step", [(0, 0), (0, 3), (1, 0), (2, 4)])
def test_a_resumed_run_equals_an_uninterrupted_one(open_input, epoch_step, per_identity):
    epoch, step = epoch_step
    whole = batches(open_input(degrade=0.5, images_per_identity=per_identity).dataset(), 17)
    resumed = open_input(degrade=0.5, images_per_identity=per_identity).dataset(epoch=epoch, step=step)
    start = 5 * epoch + step
    assert_equal(batches(resumed, 17 - start), whole[start:])


@pytest.mark.parametrize("num_workers", [2, 3])
def test_workers_share_the_same_global_batches(open_input, num_workers):
    arguments = {"degrade": 0.5, "drop_remainder": False}
    whole = batches(open_input(**arguments).dataset(epochs=2))
    parts = [
        batches(open_input(**arguments, num_workers=num_workers, worker=worker).dataset(epochs=2))
        for worker in range(num_workers)
    ]
    for number, step in enumerate(zip(*parts, strict=True)):
        if len(whole[number][1]) < num_workers:  # the last batch of an epoch has two images
            for part in step:
                assert_equal([part], [whole[number]])
        else:
            assert {len(labels) for _, labels in step} == {len(whole[number][1]) // num_workers}
            assert_equal([tuple(map(np.concatenate, zip(*step, strict=True)))], [whole[number]])


def test_balanced_batches(open_input):
    faces = open_input(images_per_identity=3)
    for _, labels in batches(faces.dataset(), 12):
        np.testing.assert_array_equal(labels, np.repeat(labels[::3], 3))
        assert len(set(labels)) == 2


def test_shapes_are_static(open_input):
    import tensorflow as tf

    def spec(**arguments):
        return open_input(**arguments).dataset(epochs=3).element_spec

    image, label = spec(num_workers=2)
    assert (image.shape, image.dtype) == ((3, SIDE, SIDE, 3), tf.float32)
    assert (label.shape, label.dtype) == ((3,), tf.int32)
    assert spec(drop_remainder=False)[0].shape.as_list() == [None, SIDE, SIDE, 3]
    assert spec(drop_remainder=False, images_per_identity=2)[0].shape.as_list() == [6, SIDE, SIDE, 3]


def test_cardinality(open_input):
    import tensorflow as tf

    assert int(open_input().dataset(epoch=1, step=2, epochs=3).cardinality()) == 8
    assert int(open_input().dataset().cardinality()) == tf.data.INFINITE_CARDINALITY


@pytest.mark.parametrize(("side", "interpolation"), [(16, cv2.INTER_AREA), (32, cv2.INTER_LINEAR)])
def test_other_sizes_are_scaled(open_input, records, side, interpolation):
    faces = open_input(image_size=side, views=Views(flip=False))
    images, _ = faces.load(0, 0)
    for image, index in zip(images, faces.batch_indices(0, 0), strict=True):
        expected = cv2.resize(decode_image(records[index].image, name=""), (side, side), interpolation=interpolation)
        np.testing.assert_array_equal(image, expected)


def test_any_source_will_do(open_input, records, listed):
    other = TrainingInput(listed(records), batch_size=6, image_size=SIDE, seed=5)
    assert_equal(batches(other.dataset(), 6), batches(open_input().dataset(), 6))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Record(b"no image", 0, "bob/1.jpg"), r"not a JPEG, PNG, WebP or BMP"),
        (Record(b"\xff\xd8\xff\xd9", 0, "bob/1.jpg"), r"a JPEG without an image"),
        (
            Record(cv2.imencode(".png", np.zeros((24, 20, 3), np.uint8))[1].tobytes(), 0, "bob/1.jpg"),
            "20 x 24 pixels are",
        ),
    ],
)
def test_a_bad_image_is_named(tmp_path, records, record, message):
    import tensorflow as tf

    write_shard(tmp_path / shard_name(0, 1), [*records[:3], record, *records[3:]])
    faces = TrainingInput(tmp_path, batch_size=33, image_size=SIDE)
    message = rf"faces-00000-of-00001\.tfrecord\[3\] \(bob/1\.jpg\): .*{message}"
    with pytest.raises(ValueError, match=message):
        faces.load(0, 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        batches(faces.dataset(epochs=1))


def test_a_damaged_record_is_named(tmp_path, records):
    import tensorflow as tf

    path = tmp_path / "a.tfrecord"
    write_shard(path, records)
    data = bytearray(path.read_bytes())
    data[data.index(records[7].image) + 300] ^= 1
    path.write_bytes(data)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a\.tfrecord\[7\]: the checksum of the record is wrong"):
        batches(TrainingInput(path, batch_size=8, image_size=SIDE).dataset(epochs=1))


def test_a_changed_label_is_named(tmp_path, records):
    path = tmp_path / "a.tfrecord"
    write_shard(path, records)
    faces = TrainingInput(path, batch_size=32, image_size=SIDE)
    write_shard(path, [Record(record.image, record.label ^ 1, record.name) for record in records])
    with pytest.raises(ValueError, match=r"a\.tfrecord\[\d+\] .* label is \d, but was \d"):
        faces.load(0, 0)


def test_labels_must_be_fewer_than_images(listed, records):
    with pytest.raises(ValueError, match="bob: label 33 is too large for 33 images"):
        TrainingInput(listed([*records, Record(b"", 33, "bob")]), batch_size=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_workers": 2, "worker": 2}, "got worker 2 of 2"),
        ({"num_workers": 0}, "got worker 0 of 0"),
        ({"num_workers": 4}, "4 workers cannot share a batch of 6 evenly"),
        ({"image_size": 0}, "image_size must be 1 or more"),
        ({"batch_size": 33}, "32 images do not fill a batch of 33"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
    ],
)
def test_bad_arguments(open_input, arguments, message):
    with pytest.raises(ValueError, match=message):
        open_input(**arguments)


def test_a_step_outside_of_the_epoch_is_refused(open_input):
    with pytest.raises(ValueError, match="no step 5 of epoch 0"):
        open_input().dataset(step=5)


def test_an_empty_source_is_refused(listed):
    with pytest.raises(ValueError, match="0 images do not fill a batch"):
        TrainingInput(listed([]), batch_size=4)


@pytest.mark.parametrize(
    ("views", "rows"), [(Views(flip=False), 1), (Views(), 1), (Views(), 2), (Views(jittered=3), 3)], ids=str
)
def test_targets_are_those_of_the_view(open_input, tmp_path, views, rows):
    targets = np.random.default_rng(0).normal(size=(rows, COUNT, 3))
    np.save(tmp_path / "targets.npy", targets.astype(np.float16))
    targets = np.load(tmp_path / "targets.npy", mmap_mode="r")
    faces = open_input(views=views, degrade=0.5, drop_remainder=False, targets=targets)
    without = open_input(views=views, degrade=0.5, drop_remainder=False)
    read = batches(faces.dataset(epochs=2))
    assert_equal([(images, labels) for images, labels, _ in read], batches(without.dataset(epochs=2)))
    shown = []
    for number, (_, _, found) in enumerate(read):
        epoch, step = divmod(number, 6)
        for place, index in enumerate(faces.batch_indices(epoch, step)):
            word = int(random_words(5, epoch, step * 6 + place, 1)[0][0])
            shown.append(min(word * len(views) // 2**64, rows - 1))
            np.testing.assert_array_equal(found[place], targets[shown[-1], index])
    assert set(shown) == set(range(rows))


def test_workers_share_the_targets(open_input):
    targets = np.arange(2 * COUNT * 3.0).reshape(2, COUNT, 3)
    whole = open_input(targets=targets).load(1, 2)
    parts = [open_input(targets=targets, num_workers=3, worker=worker).load(1, 2) for worker in range(3)]
    np.testing.assert_array_equal(np.concatenate([part[2] for part in parts]), whole[2])
    spec = open_input(targets=targets, num_workers=3).dataset().element_spec[2]
    assert (spec.shape.as_list(), spec.dtype) == ([2, 3], whole[2].dtype)


@pytest.mark.parametrize("shape", [(COUNT, 3), (3, COUNT, 3), (1, COUNT - 1, 3)])
def test_targets_must_fit_the_images(open_input, shape):
    with pytest.raises(ValueError, match=r"targets must be \(1 or 2 views, 32 images, length\), got \("):
        open_input(targets=np.zeros(shape))


def test_targets_must_fit_the_jittered_views(open_input):
    """An embedding of the plain image is a wrong target for a rotated one."""
    with pytest.raises(ValueError, match=r"targets must be \(4 views, 32 images, length\), got \(1, 32, 3\)"):
        open_input(views=Views(jittered=4), targets=np.zeros((1, COUNT, 3)))
