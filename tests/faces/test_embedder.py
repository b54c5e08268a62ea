"""What the device computes, from a network whose embedding is the pixels it is given."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from seesaw_keras.faces import FaceEmbedder, VerifyResult, align
from seesaw_keras.files import sha256_of
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import METADATA

CROPS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)


def unit(rows):
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def files(tmp_path):
    """The crops as PNG files."""
    paths = [tmp_path / f"{number}.png" for number in range(len(CROPS))]
    for path, crop in zip(paths, CROPS, strict=True):
        cv2.imwrite(str(path), crop[..., ::-1])
    return paths


@pytest.mark.parametrize(("type", "zero"), [("FLOAT32", 127.5), ("INT8", 128)])
def test_embeddings_are_unit_vectors_of_what_the_metadata_say(pixel_network, type, zero):
    embedder = FaceEmbedder(pixel_network(type=type), aligned=True)
    rows = embedder.embed(CROPS)
    assert rows.dtype == np.float32 and rows.shape == (6, embedder.embedding_size)
    np.testing.assert_allclose(rows, unit(CROPS - float(zero)), atol=1e-6)


def test_a_path_an_array_and_a_list_are_the_same(pixel_network, files):
    embedder = FaceEmbedder(pixel_network(), aligned=True)
    rows = embedder.embed(CROPS)
    np.testing.assert_array_equal(embedder.embed(CROPS[2]), rows[2])
    np.testing.assert_array_equal(embedder.embed(files[2]), rows[2])
    np.testing.assert_array_equal(embedder.embed(str(files[2])), rows[2])
    np.testing.assert_array_equal(embedder.embed([files[0], CROPS[1]]), rows[:2])
    assert embedder.embed([]).shape == (0, 192)


def test_a_photograph_is_its_main_face_aligned(pixel_network, picture, rectangles):
    photograph = picture(200, 300, (20, 30, 40, 40), (120, 60, 90, 80))
    main = align(photograph, rectangles.POINTS * [90, 80] + [120, 60], size=8)
    embedder = FaceEmbedder(pixel_network(), detector=rectangles)
    np.testing.assert_array_equal(embedder.crop(photograph), main)
    np.testing.assert_allclose(embedder.embed(photograph), unit([main - 127.5])[0], atol=1e-6)
    np.testing.assert_array_equal(embedder.embed_crops([main])[0], embedder.embed(photograph))


def test_a_narrow_network_sees_the_middle_of_the_aligned_face(pixel_network, picture, rectangles):
    photograph = picture(200, 300, (120, 60, 90, 80))
    crop = align(photograph, rectangles.POINTS * [90, 80] + [120, 60], size=8)
    embedder = FaceEmbedder(pixel_network(size=(8, 6)), detector=rectangles)
    np.testing.assert_allclose(embedder.embed(photograph), unit([crop[:, 1:7] - 127.5])[0], atol=1e-6)


def test_a_larger_aligned_face_is_scaled_to_the_networks_size(pixel_network):
    embedder = FaceEmbedder(pixel_network(), aligned=True)
    large = CROPS[0].repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(embedder.embed(large), embedder.embed(CROPS[0]))


def test_verify_compares_the_cosine_with_the_threshold(pixel_network, files):
    embedder = FaceEmbedder(pixel_network(threshold=0.25), aligned=True)
    rows = unit(CROPS - 127.5)
    for first in range(len(CROPS)):
        result = embedder.verify(files[0], CROPS[first])
        same, similarity, threshold = result.is_match, result.similarity, result.threshold
        assert similarity == pytest.approx(rows[0] @ rows[first], abs=1e-6)
        assert (threshold, same) == (0.25, similarity >= 0.25)
    assert embedder.verify(CROPS[0], CROPS[0]).is_match
    at_similarity = FaceEmbedder(pixel_network(), aligned=True, threshold=embedder.verify(*CROPS[:2]).similarity)
    assert at_similarity.verify(*CROPS[:2]).is_match, "at the threshold is the same"
    assert embedder.verify(CROPS[0], 255 - CROPS[0]) == VerifyResult(False, pytest.approx(-1, abs=1e-6), 0.25)


def test_a_network_without_metadata_needs_explicit_arguments(pixel_network):
    path = pixel_network(own=False)
    with pytest.raises(ValueError, match=r"pixels\.tflite: no input preprocessing stored.*pm1, 127.5/128, raw"):
        FaceEmbedder(path, aligned=True)
    embedder = FaceEmbedder(path, aligned=True, preprocess="raw")
    np.testing.assert_allclose(embedder.embed(CROPS), unit(CROPS), atol=1e-6)
    with pytest.raises(ValueError, match="no threshold stored; give one"):
        embedder.verify(*CROPS[:2])


def test_threads_share_one(pixel_network):
    embedder = FaceEmbedder(pixel_network(), aligned=True, threads=2)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(embedder.embed, [*CROPS] * 30))
    np.testing.assert_allclose(rows, np.tile(unit(CROPS - 127.5), (30, 1)), atol=1e-6)


def test_says_which_network_it_is(pixel_network):
    path = pixel_network()
    assert FaceEmbedder(path, aligned=True).model_sha256 == sha256_of(path)


@pytest.mark.parametrize("threshold", ["high", True, 1.5, -2, [0.3]])
def test_a_threshold_is_a_cosine(pixel_network, threshold):
    with pytest.raises(ValueError, match=r"pixels\.tflite: threshold must be a cosine from -1 to 1, got"):
        FaceEmbedder(pixel_network(threshold=threshold), aligned=True)


def test_mistakes_are_named(pixel_network, files, picture, rectangles, tmp_path):
    path = pixel_network()
    with pytest.raises(ValueError, match="aligned=True and detector cannot be combined"):
        FaceEmbedder(path, aligned=True, detector=rectangles)
    with pytest.raises(ValueError, match="preprocess 'raw' is not what it was converted for"):
        FaceEmbedder(path, aligned=True, preprocess="raw")
    with pytest.raises(FileNotFoundError, match=r"absent\.tflite"):
        FaceEmbedder(tmp_path / "absent.tflite")
    with pytest.raises(flatbuffer.FlatbufferError, match=r"0\.png"):
        FaceEmbedder(files[0])
    with pytest.raises(FileNotFoundError, match="no such YuNet model"):
        FaceEmbedder(path, detector=tmp_path / "absent.onnx")
    model = flatbuffer.read(path)
    model.main.outputs.append(model.main.inputs[0])
    flatbuffer.write(tmp_path / "two.tflite", model)
    with pytest.raises(ValueError, match=r"two\.tflite: expected one input and one output, got 1 and 2"):
        FaceEmbedder(tmp_path / "two.tflite")
    model = flatbuffer.read(path)
    model.metadata[METADATA] = b"[1]"
    flatbuffer.write(tmp_path / "list.tflite", model)
    with pytest.raises(ValueError, match=r"list\.tflite: metadata 'seesaw_keras': not a JSON object"):
        FaceEmbedder(tmp_path / "list.tflite")
    embedder = FaceEmbedder(path, detector=rectangles)
    cv2.imwrite(str(tmp_path / "empty.png"), picture(50, 50))
    with pytest.raises(ValueError, match=r"empty\.png: no face found"):
        embedder.embed([tmp_path / "empty.png"])
    with pytest.raises(ValueError, match="image 1: no face found"):
        embedder.embed([picture(90, 90, (20, 20, 50, 50)), picture(50, 50)])
    with pytest.raises(ValueError, match=r"absent\.png: there is no such file"):
        embedder.embed(tmp_path / "absent.png")
    aligned = FaceEmbedder(path, aligned=True)
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((9, 12, 3), np.uint8))
    with pytest.raises(ValueError, match=r"wide\.png: images of 9x12 do not fit a model of 8x8"):
        aligned.verify(files[0], tmp_path / "wide.png")
    with pytest.raises(ValueError, match=r"image 1: an image must be uint8 \(height, width, 3\), got float64"):
        aligned.embed([CROPS[0], CROPS[1] / 255])
    with pytest.raises(ValueError, match="cannot normalize an embedding of norm 0"):
        FaceEmbedder(pixel_network(type="INT8"), aligned=True).embed(np.full((8, 8, 3), 128, np.uint8))


ON_A_DEVICE = """
import sys

class Absent:
    names = {"tensorflow", "keras", "tf_keras", "matplotlib", "absl", "tqdm", "h5py", "tensorboard", "torch"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import cv2, numpy as np
from seesaw_keras.faces import FaceEmbedder, Gallery
model, path = sys.argv[1:]
faces = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
embedder = FaceEmbedder(model, aligned=True)
assert embedder.verify(faces[0], faces[0]).is_match
FaceEmbedder(model).crop  # the cascades
with Gallery(path, embedder) as gallery:
    gallery.enroll("Ada", faces[0])
    gallery.enroll("Bob", faces[1])
    assert gallery.identify(faces[1])[0].name == "Bob"
assert not Absent.names & set(sys.modules)
import seesaw_keras
try:
    seesaw_keras.build()
except ImportError as error:
    print(error)
"""


def test_a_device_needs_neither_tensorflow_nor_absl(pixel_network, tmp_path):
    command = [sys.executable, "-c", ON_A_DEVICE, str(pixel_network()), str(tmp_path / "people.gallery")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install seesaw_keras" in done.stdout and "Keras networks need" in done.stdout


def test_requirements_of_a_device_are_those_of_the_package(repository):
    lines = (repository / "requirements-device.txt").read_text("utf-8").splitlines()
    needed = [line for line in lines if line and not line.startswith("#")]
    setup = (repository / "setup.py").read_text("utf-8")
    assert sorted(line.partition(">")[0] for line in needed) == ["ai-edge-litert", "numpy", "opencv-python-headless"]
    assert all(f'"{line}"' in setup for line in needed)
