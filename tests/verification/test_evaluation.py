import cv2
import numpy as np
import pytest

from seesaw_keras.data.records import Pairs
from seesaw_keras.inference.embedders import Embedder, StoredEmbeddings
from seesaw_keras.inference.preprocessing import InputLayout, to_input
from seesaw_keras.verification.evaluation import IMAGES_AT_ONCE, embed_images, evaluate, latency_ms, measure
from seesaw_keras.verification.metrics import roc, tar_at_far
from seesaw_keras.verification.protocols import ten_fold, unit


class Thumbnails(Embedder):
    """Embeds an image as its 4x4 thumbnail."""

    runtime = "test"

    def __init__(self):
        super().__init__("thumbnails", InputLayout(4, 4, channels_first=False), "pm1", None)
        self.table = self.layout.table("pm1", np.dtype(np.float32))

    def embed(self, images):
        return np.stack([to_input(image, self.table, self.layout).reshape(-1) for image in images])


def made_pairs(people=30, each=3, size=8, named=True):
    """Noisy images of people, each pair of a person's and as many pairs of neighbors."""
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (people, size, size, 3))
    noisy = np.repeat(faces, each, axis=0) + generator.normal(0, 120, (people * each, size, size, 3))
    images = np.clip(noisy, 0, 255).astype(np.uint8)
    encoded = [cv2.imencode(".png", image[:, :, ::-1])[1].tobytes() for image in images]
    first = np.arange(people) * each
    genuine = np.concatenate([np.stack([first, first + other], 1) for other in range(1, each)])
    impostor = np.stack([genuine[:, 0], (genuine[:, 1] + each) % len(images)], 1)
    index = np.concatenate([genuine, impostor])
    names = [f"p{i // each}/p{i // each}_{i % each}.png" if named else f"[{i}]" for i in range(len(images))]
    folds = np.arange(len(index)) % 10
    return Pairs(names, index, np.arange(len(index)) < len(genuine), folds, encoded.__getitem__), images


@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_embedded_once_in_order(flip):
    pairs, images = made_pairs()
    assert len(images) % IMAGES_AT_ONCE  # the last batch is a smaller one
    read, done = [], []
    watched = Pairs(pairs.names, pairs.index, pairs.same, pairs.folds, lambda i: read.append(i) or pairs.read(i))
    embedder = Thumbnails()
    got = embed_images(embedder, watched, flip=flip, progress=done.append)
    expected = embedder.embed(images)
    if flip:
        expected = expected + embedder.embed(images[:, :, ::-1])
    np.testing.assert_array_equal(got, expected)
    assert read == list(range(len(images)))
    assert sum(done) == len(images)


def test_images_of_several_sizes():
    small, one = made_pairs(people=12, size=8)
    large, two = made_pairs(people=12, size=16)
    count = len(one)
    mixed = Pairs(small.names, small.index, small.same, small.folds, lambda i: (large if i % 3 else small).read(i))
    expected = np.concatenate([Thumbnails().embed((two if i % 3 else one)[i : i + 1]) for i in range(count)])
    np.testing.assert_array_equal(embed_images(Thumbnails(), mixed), expected)


def test_an_image_that_does_not_fit_is_named():
    pairs, _ = made_pairs()
    wrong = cv2.imencode(".png", np.zeros((8, 5, 3), np.uint8))[1].tobytes()
    mixed = Pairs(pairs.names, pairs.index, pairs.same, pairs.folds, lambda i: wrong if i == 40 else pairs.read(i))
    with pytest.raises(ValueError, match=r"p13/p13_1\.png: images of 8x5 do not fit"):
        embed_images(Thumbnails(), mixed)


def test_an_image_that_cannot_be_decoded_is_named():
    pairs, _ = made_pairs()
    broken = Pairs(pairs.names, pairs.index, pairs.same, pairs.folds, lambda i: b"" if i == 40 else pairs.read(i))
    with pytest.raises(ValueError, match=r"p13/p13_1\.png"):
        embed_images(Thumbnails(), broken)


def test_figures_are_those_of_the_parts():
    pairs, images = made_pairs()
    result = evaluate(Thumbnails(), pairs, far=0.05, replicates=50, data_set="made")
    rows = unit(Thumbnails().embed(images))
    cosines = np.array([rows[a] @ rows[b] for a, b in pairs.index])
    np.testing.assert_allclose(result.scores, cosines, atol=1e-12)
    assert result.ten_fold.accuracy == ten_fold(2 - 2 * cosines, pairs.same, pairs.folds).accuracy
    point = tar_at_far(roc(result.scores, pairs.same), 0.05)
    assert (result.calibration["threshold"], result.calibration["tar"]) == (point.threshold, point.tar)
    assert (result.calibration["data_set"], result.calibration["preprocess"]) == ("made", "pm1")
    assert result.decision == (point.threshold, "FAR 0.05")
    assert (result.bootstrap.unit, result.bootstrap.units) == ("identities", 30)
    assert (result.identification.probes, result.identification.identities) == (60, 30)
    first = np.arange(30) * 3
    naive = [np.argmax(rows[first] @ rows[probe]) == probe // 3 for probe in range(90) if probe % 3]
    assert result.identification.rates[1] == np.mean(naive)
    assert 0.5 < result.ten_fold.accuracy < 1


def test_json_is_in_percent_and_says_so():
    pairs, _ = made_pairs()
    result = evaluate(Thumbnails(), pairs, replicates=50)
    told = result.to_json()
    assert told["accuracy"] == 100 * result.ten_fold.accuracy
    assert told["tar_at_far"][0] == {
        "far": 0.1,
        "tar": 100 * result.tar_at_far[0].tar,
        "threshold": result.tar_at_far[0].threshold,
        "note": "",
    }
    assert told["tar_at_far"][-1]["note"] == "not measurable: only 60 impostor pairs"
    assert told["intervals"]["accuracy"] == [100 * end for end in result.bootstrap.intervals["accuracy"]]
    assert told["intervals"]["auc"] == list(result.bootstrap.intervals["auc"])
    assert {"accuracy", "eer", "tar_at_far.tar"} <= set(told["units"]["percent"])
    assert told["calibration"] is None
    assert "not measurable: only 60 impostor pairs" in told["calibration_note"]
    assert result.decision == (1 - np.mean(result.ten_fold.thresholds) / 2, "best accuracy")


def test_without_names_pairs_are_drawn_and_nobody_is_searched():
    pairs, _ = made_pairs(named=False)
    result = evaluate(Thumbnails(), pairs, replicates=50)
    assert (result.bootstrap.unit, result.bootstrap.units, result.identification) == ("pairs", 120, None)


def test_stored_embeddings(tmp_path):
    pairs, images = made_pairs()
    rows = Thumbnails().embed(images)
    np.savez(tmp_path / "rows.npz", embeddings=rows[::-1], names=np.array(pairs.names[::-1]))
    stored = StoredEmbeddings(tmp_path / "rows.npz")
    np.testing.assert_array_equal(embed_images(stored, pairs), rows)
    with pytest.raises(ValueError, match="do not support flip"):
        embed_images(stored, pairs, flip=True)


def test_embeddings_that_are_not_finite_name_the_image():
    pairs, images = made_pairs()
    rows = Thumbnails().embed(images)
    rows[4] = np.nan
    with pytest.raises(ValueError, match=r"embedding 4 \(p1/p1_1\.png\) is not finite"):
        measure(rows, pairs.index, pairs.same, names=pairs.names)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (slice(0, 0), "no pairs"),
        (slice(0, 60), "all 60 pairs have the label True"),
        (slice(56, 63), "7 pairs are fewer than the 10 folds"),
    ],
)
def test_pairs_that_cannot_be_measured_are_refused_before_embedding(chosen, message):
    pairs, _ = made_pairs()

    def read(_):
        raise AssertionError("an image was read")

    part = Pairs(pairs.names, pairs.index[chosen], pairs.same[chosen], pairs.folds[chosen], read)
    with pytest.raises(ValueError, match=message):
        evaluate(Thumbnails(), part)
    single = Pairs(pairs.names, pairs.index, pairs.same, np.zeros(len(pairs), int), read)
    with pytest.raises(ValueError, match="at least two folds"):
        evaluate(Thumbnails(), single)


def test_latency_is_of_one_image():
    pairs, _ = made_pairs()
    sizes = []

    class Counted(Thumbnails):
        def embed(self, images):
            sizes.append(len(images))
            return super().embed(images)

    taken = latency_ms(Counted(), pairs)
    assert set(sizes) == {1}
    assert 0 < taken["min"] <= taken["median"]
