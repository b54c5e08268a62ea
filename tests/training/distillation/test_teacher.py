import itertools
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data import Record, Source, TrainingInput, decode_image
from seesaw_keras.data.mixture import Mixture
from seesaw_keras.data.views import PLAIN, Views
from seesaw_keras.inference.embedders import Embedder, StoredEmbeddings
from seesaw_keras.inference.preprocessing import InputLayout
from seesaw_keras.training.distillation.block_cache import BLOCK
from seesaw_keras.training.distillation.teacher import principal_axes, teacher_embeddings, teacher_targets

IMAGES, SIDE, LENGTH = 2 * BLOCK + 20, 16, 3
WEIGHTS = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, LENGTH))


class Listed(Source):
    def __init__(self, records):
        self.records = records

    def __len__(self):
        return len(self.records)

    def _record(self, position):
        return self.records[position]


class Linear(Embedder):
    """A product with the pixels; counts the images it was given."""

    runtime = "NumPy"

    def __init__(self, path, height=SIDE, width=SIDE, preprocess="raw"):
        super().__init__("linear", InputLayout(height, width, False), preprocess, path)
        self.seen, self.stop_at = 0, None

    def embed(self, images):
        if self.stop_at is not None and self.seen >= self.stop_at:
            raise KeyboardInterrupt
        self.seen += len(images)
        return (images.reshape(len(images), -1) @ WEIGHTS).astype(np.float32)


@pytest.fixture(scope="module")
def records():
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
    return [
        Record(cv2.imencode(".png", face)[1].tobytes(), i // 2, f"{i // 2}/{i}.png") for i, face in enumerate(faces)
    ]


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"weights")
    return tmp_path / "model.bin"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def assert_stored(rows, expected):
    """Rows are unit vectors, exact but for float16."""
    np.testing.assert_allclose(rows, unit(expected), rtol=2**-10, atol=2**-14)


def expected(records):
    images = np.stack([decode_image(record.image, name=record.name) for record in records])
    return np.stack([view.reshape(len(view), -1) @ WEIGHTS for view in (images, images[:, :, ::-1])])


def test_every_image_and_its_mirror_image_once(records, model, cache):
    teacher, counts = Linear(model), []
    rows = teacher_embeddings(teacher, Listed(records), cache, progress=counts.append)
    assert (type(rows), rows.dtype, rows.shape) == (np.memmap, np.float16, (2, IMAGES, LENGTH))
    assert_stored(rows, expected(records))
    assert teacher.seen == 2 * IMAGES
    assert counts[0] == 0
    assert sum(counts) == IMAGES

    counts.clear()
    again = teacher_embeddings(teacher, Listed(records), cache, progress=counts.append)
    np.testing.assert_array_equal(again, rows)
    assert teacher.seen == 2 * IMAGES
    assert counts == [IMAGES]


def test_without_mirror_images(records, model, cache):
    rows = teacher_embeddings(Linear(model), Listed(records), cache, views=Views(flip=False))
    assert_stored(rows, expected(records)[:1])


def test_the_teacher_sees_what_the_student_sees(records, model, cache):
    source, teacher = Listed(records[:40]), Linear(model)
    targets = teacher_embeddings(teacher, source, cache)
    faces = TrainingInput(source, batch_size=40, image_size=SIDE, targets=targets)
    images, _, found = faces.load(0, 0)
    assert_stored(found, teacher.embed(images))
    plain = TrainingInput(source, batch_size=40, image_size=SIDE, views=Views(flip=False)).load(0, 0)[0]
    assert 0 < sum(not np.array_equal(one, other) for one, other in zip(images, plain, strict=True)) < 40


@pytest.mark.parametrize(("height", "width"), [(SIDE, 12), (8, 8), (24, 24)])
def test_images_are_scaled_to_the_teachers_input(records, model, cache, height, width):
    class Corner(Linear):
        def embed(self, images):
            return images[:, 0, 0].astype(np.float32)

    side = max(height, width)
    rows = teacher_embeddings(Corner(model, height, width), Listed(records[:5]), cache, views=Views(flip=False))
    shown = TrainingInput(Listed(records[:5]), batch_size=5, image_size=side, views=Views(flip=False))
    order = shown.batch_indices(0, 0)
    assert_stored(rows[0][order], shown.load(0, 0)[0][:, 0, 0].astype(float))


@pytest.mark.parametrize("stopped", [0, 100, 2 * BLOCK, 2 * BLOCK + 128, 4 * BLOCK])
def test_it_goes_on_where_it_was_stopped(records, model, cache, stopped):
    teacher, counts = Linear(model), []
    teacher.stop_at = stopped
    with pytest.raises(KeyboardInterrupt):
        teacher_embeddings(teacher, Listed(records), cache)
    before, teacher.stop_at = teacher.seen, None
    rows = teacher_embeddings(teacher, Listed(records), cache, progress=counts.append)
    assert_stored(rows, expected(records))
    done = before // (2 * BLOCK) * BLOCK
    assert counts[0] == done
    assert sum(counts) == IMAGES
    assert teacher.seen - before == 2 * (IMAGES - done)


def test_a_damaged_block_is_computed_again(records, model, cache):
    teacher = Linear(model)
    teacher_embeddings(teacher, Listed(records), cache)
    (path,) = cache.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)
    teacher.seen = 0
    rows = teacher_embeddings(teacher, Listed(records), cache)
    assert teacher.seen == 2 * 20
    assert_stored(rows, expected(records))


def test_whatever_matters_is_in_the_key(records, model, cache, tmp_path):
    records = records[:6]
    other_model = tmp_path / "other.bin"
    other_model.write_bytes(b"other weights")
    swapped = [records[1], records[0], *records[2:]]
    relabeled = [Record(records[0].image, 1, records[0].name), *records[1:]]
    redrawn = [Record(records[1].image, 0, records[0].name), *records[1:]]
    runs = [
        (Linear(model), records, True),
        (Linear(model), records, False),
        (Linear(other_model), records, True),
        (Linear(model, preprocess="pm1"), records, True),
        *((Linear(model), some, True) for some in (records[:5], swapped, relabeled, redrawn)),
    ]
    for count, (teacher, some, flip) in enumerate(runs, 1):
        teacher_embeddings(teacher, Listed(some), cache, views=Views(flip=flip))
        assert teacher.seen == len(some) * (1 + flip)
        assert len(list(cache.glob("*.npy"))) == count
    for teacher, some, flip in runs:
        teacher.seen = 0
        teacher_embeddings(teacher, Listed(some), cache, views=Views(flip=flip))
        assert teacher.seen == 0


def test_the_place_of_the_model_is_not_in_the_key(records, model, cache, tmp_path):
    teacher_embeddings(Linear(model), Listed(records[:6]), cache)
    teacher = Linear(model.rename(tmp_path / "moved.bin"))
    teacher_embeddings(teacher, Listed(records[:6]), cache)
    assert teacher.seen == 0


def test_the_log_says_what_the_rows_are(records, model, cache):
    teacher_embeddings(Linear(model), Listed(records), cache)
    (path,) = cache.glob("*.blocks")
    facts = json.loads(path.read_text().split("\n")[0])
    assert facts["teacher"] == {key: value for key, value in Linear(model).describe().items() if key != "name"}
    assert facts["data"]["images"] == IMAGES


@pytest.mark.parametrize("named", [False, True])
def test_stored_embeddings(records, cache, tmp_path, named):
    stored = np.random.default_rng(1).normal(size=(IMAGES, LENGTH)).astype(np.float32)
    path, order = tmp_path / f"stored.{'npz' if named else 'npy'}", np.arange(IMAGES)
    if named:
        order = np.random.default_rng(2).permutation(IMAGES)
        np.savez(path, embeddings=stored[order], names=[records[i].name for i in order])
    else:
        np.save(path, stored)
    for _, flip in itertools.product(range(2), [False, True]):
        rows = teacher_embeddings(StoredEmbeddings(path), Listed(records), cache, views=Views(flip=flip))
        assert_stored(rows, stored[None])
    assert len(list(cache.glob("*.npy"))) == 1


def test_stored_embeddings_of_other_images(records, cache, tmp_path):
    np.savez(tmp_path / "a.npz", embeddings=np.ones((1, 2)), names=[records[0].name])
    with pytest.raises(ValueError, match=r"a\.npz: 1 images have no embedding, the first is 0/1\.png"):
        teacher_embeddings(StoredEmbeddings(tmp_path / "a.npz"), Listed(records[:2]), cache)


@pytest.mark.parametrize("side", [SIDE, 8])
def test_teacher_and_student_see_the_same_views(records, model, cache, side):
    """Pixel for pixel before degradation, and the stored rows belong to the views."""
    source, teacher, views = Listed(records[:40]), Linear(model, side, side), Views(jittered=5)
    seen = []
    teacher.embed = lambda images: (seen.append(images), images[:, 0, :LENGTH, 0].astype(np.float32))[1]
    targets = teacher_embeddings(teacher, source, cache, views=views)
    shown = np.concatenate(seen).reshape(5, 40, side, side, 3)
    faces = TrainingInput(source, batch_size=40, image_size=side, views=views, targets=targets)
    met = set()
    for epoch in range(8):
        images, _, found = faces.load(epoch, 0)
        for image, target, position in zip(images, found, faces.batch_indices(epoch, 0), strict=True):
            (view,) = (number for number in range(5) if np.array_equal(shown[number, position], image))
            met.add((view, position))
            assert_stored(target, image[0, :LENGTH, 0].astype(float))
    assert len(met) > 5 * 40 * 0.7  # 1 - (4 / 5) ** 8 is 0.83


def test_jittered_views_are_in_the_key(records, model, cache):
    for count, views in enumerate((PLAIN, Views(jittered=2), Views(jittered=3), Views(2, seed=1), Views(2, False)), 1):
        assert len(teacher_embeddings(Linear(model), Listed(records[:3]), cache, views=views)) == len(views)
        assert len(list(cache.glob("*.npy"))) == count


def test_stored_embeddings_do_not_support_jittered_views(records, cache, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, LENGTH)))
    with pytest.raises(ValueError, match=r"a\.npy: stored embeddings do not support jittered views"):
        teacher_embeddings(StoredEmbeddings(tmp_path / "a.npy"), Listed(records[:2]), cache, views=Views(2))


def test_targets_of_several_teachers_and_data_sets(records, model, cache, tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(b"other weights")
    reverse = Linear(other)
    reverse.embed = lambda images: Linear.embed(reverse, images[:, ::-1])
    parts = [Listed(records[:30]), Listed(records[30:77])]
    counts = []
    targets = teacher_targets([Linear(model), reverse], Mixture(parts), cache, size=6, progress=counts.append)
    assert (targets.shape, targets.dtype, sum(counts)) == ((2, 77, 6), np.float16, 2 * 77)
    images = np.stack([decode_image(record.image, name=record.name) for record in records[:77]])
    for view, shown in enumerate((images, images[:, :, ::-1])):
        sides = [unit(side.reshape(77, -1) @ WEIGHTS) for side in (shown, shown[:, ::-1])]
        np.testing.assert_allclose(targets[view], np.concatenate(sides, axis=1) / np.sqrt(2), atol=2e-3)
        cosines = sum(side @ side.T for side in sides) / 2
        np.testing.assert_allclose(targets[view].astype(float) @ targets[view].T.astype(float), cosines, atol=5e-3)


def test_a_longer_teacher_is_projected_to_the_students_size(records, model, cache):
    targets = teacher_targets([Linear(model)], Listed(records), cache, size=2)
    rows = unit(expected(records))
    assert targets.shape == (2, IMAGES, 2)
    _, _, axes = np.linalg.svd(rows[0], full_matrices=False)
    cosines, found = unit(rows[0] @ axes[:2].T), targets[0].astype(float)
    np.testing.assert_allclose(found @ found.T, cosines @ cosines.T, atol=5e-3)


def test_targets_are_made_once_and_parts_are_shared(records, model, cache):
    parts = [Listed(records[:30]), Listed(records[30:77])]
    teacher = Linear(model)
    whole = teacher_targets([teacher], Mixture(parts), cache, size=LENGTH)
    assert teacher.seen == 2 * 77
    np.testing.assert_array_equal(teacher_targets([teacher], Mixture(parts), cache, size=LENGTH), whole)
    np.testing.assert_array_equal(
        teacher_targets([teacher], Mixture(parts[::-1]), cache, size=LENGTH)[:, 47:], whole[:, :30]
    )
    np.testing.assert_array_equal(teacher_targets([teacher], parts[0], cache, size=LENGTH), whole[:, :30])
    assert teacher.seen == 2 * 77
    assert not list(cache.glob(".*"))


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_principal_axes_keep_inner_products_best(size, seed):
    rows = np.random.default_rng(seed).normal(size=(9, 6)).astype(np.float32)
    axes = principal_axes(rows, size).astype(float)
    np.testing.assert_allclose(axes.T @ axes, np.eye(size), atol=1e-5)
    left = np.linalg.norm(rows @ rows.T - rows @ axes @ axes.T @ rows.T)
    least = np.sqrt((np.linalg.svd(rows, compute_uv=False)[size:] ** 4).sum())  # Eckart-Young
    assert left <= least + 1e-3


def test_a_model_in_memory_has_no_key(records, cache):
    with pytest.raises(ValueError, match="linear: an in-memory model has no cache key: save it"):
        teacher_embeddings(Linear(None), Listed(records), cache)


def test_a_number_that_is_not_finite_is_named(records, model, cache):
    class Broken(Linear):
        def embed(self, images):
            rows = super().embed(images)
            rows[images[:, 0, 0, 0] == bad, 1] = np.inf
            return rows

    bad = decode_image(records[70].image, name="")[0, 0, 0]
    first = next(i for i, record in enumerate(records) if decode_image(record.image, name="")[0, 0, 0] == bad)
    with pytest.raises(ValueError, match=rf"{records[first].name}: linear returned a non-finite embedding"):
        teacher_embeddings(Broken(model), Listed(records), cache, views=Views(flip=False))


def test_a_bad_image_is_named(records, model, cache):
    wide = Record(cv2.imencode(".png", np.zeros((8, 12, 3), np.uint8))[1].tobytes(), 0, "wide.png")
    with pytest.raises(ValueError, match=r"wide\.png: 12 x 8 pixels are not square"):
        teacher_embeddings(Linear(model), Listed([*records[:3], wide]), cache)
    with pytest.raises(ValueError, match="no images to embed"):
        teacher_embeddings(Linear(model), Listed([]), cache)
