"""What the sources say of a model, read from their text, and which models they are not for."""

import hashlib
import json
import re
import zlib

import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import METADATA, store_facts
from seesaw_keras.tflite.flatbuffer import ModelFile, Operator, Quantization, Tensor
from seesaw_keras.tflite.micro.arena import arena_size
from seesaw_keras.tflite.micro.cosine import cosine_q15
from seesaw_keras.tflite.micro.cpp_sources import MADE_BY, export
from seesaw_keras.tflite.micro.golden import golden_images
from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime

pytestmark = pytest.mark.skipif("tflm" not in available_runtimes(), reason="TFLite Micro is not installed")


def numbers(text, name):
    """The entries of a C array."""
    body = re.search(rf"{name}[^=;]*= \{{(.*?)^\}};", text, re.M | re.S)[1]
    return [int(number) for number in re.findall(r"-?\d+", body)]


def constants(text):
    return dict(re.findall(r"constexpr [\w:]+ (k\w+) = ([-\w.]+);", text))


@pytest.mark.parametrize(("input_type", "flip"), [("INT8", "0x80"), ("UINT8", "0x00")])
def test_model_and_constants(flat, input_type, flip):
    data = flat(input_type, -3)
    made = export(ModelFile.of(data, "flat.tflite"))
    known = constants(made.files["model.h"])
    assert numbers(made.files["model.cc"], "kModel") == list(data)
    assert int(known["kModelSize"]) == len(data)
    assert int(known["kModelCrc32"].rstrip("u")) == zlib.crc32(data)
    assert (known["kImageHeight"], known["kImageWidth"], known["kEmbeddingSize"]) == ("4", "5", "60")
    assert known["kEmbeddingZeroPoint"] == "-3"
    assert known["kPixelFlip"] == flip
    assert known["kThresholdQ15"] == str(round(0.35 * 32768)) == str(made.threshold_q15)
    arena = open_runtime("tflm", data).arena
    assert made.arena == arena
    assert int(known["kArenaSize"]) == made.arena_size == arena_size(arena)


@pytest.mark.slow
def test_the_same_operators_as_in_the_flatbuffer(converted):
    data = converted("shuffle")
    made = export(data, threshold=0.5)
    resolver = made.files["operators.h"]
    called = re.findall(r"operators\.Add(\w+)\(\) == kTfLiteOk", resolver)
    wanted = {operator.code.replace("_", "").lower() for operator in flatbuffer.loads(data).main.operators}
    assert sorted(name.lower() for name in called) == sorted(wanted)
    assert re.search(r"MicroMutableOpResolver<(\d+)>", resolver)[1] == str(len(wanted))


@pytest.mark.slow
def test_golden_embeddings_are_those_of_micro(converted):
    data = converted("shuffle")
    model = flatbuffer.loads(data)
    text = export(data, threshold=0.5).files["golden.cc"]
    images = golden_images(32, 32)
    embeddings = open_runtime("tflm", data).run((images ^ 128).view(np.int8))
    zero_point = model.main.outputs[0].quantization.zero_point
    assert numbers(text, "kGoldenEmbeddings") == embeddings.reshape(-1).tolist()
    assert [n for n in numbers(text, "kGoldenImageCrc32") if n] == [zlib.crc32(image.tobytes()) for image in images]
    assert numbers(text, "kGoldenCosinesQ15") == [cosine_q15(a, b, zero_point) for a in embeddings for b in embeddings]
    assert len({row.tobytes() for row in embeddings}) == len(embeddings)


def test_every_file_says_what_made_it(flat):
    data = flat()
    stamp = f"{MADE_BY} {seesaw_keras.__version__}, seesaw export_micro, from a_b.tflite "
    made = export(ModelFile.of(data, "folder/a\nb.tflite"))
    for text in made.files.values():
        first = text.splitlines()[0]
        assert stamp in first
        assert f"(sha256 {hashlib.sha256(data).hexdigest()})" in first
        assert text.endswith("\n")
        assert "@" not in text


def test_the_page_names_the_files_and_the_figures(flat):
    made = export(flat())
    page = made.files["README.md"]
    for name in made.files:
        assert f"`{name}`" in page or name == "README.md"
    for figure in (made.arena.planned, made.arena.persistent, made.arena_size, len(flat())):
        assert f"| {figure:,} bytes |" in page


def test_a_threshold_that_is_given_comes_before_the_stored_one(flat):
    made = export(flat(threshold=0.25), threshold=-0.5)
    assert (made.threshold, made.threshold_q15) == (-0.5, -16384)


def network(given, made, *, code="RESHAPE", facts=None):
    x, y = (Tensor(name, *what) for name, what in (("x", given), ("y", made)))
    model = flatbuffer.build(Operator(code, [x], [y]))
    store_facts(model, **(facts if facts is not None else {"threshold": 0.5}))
    return model


def two(what):
    """A model with two of its inputs or outputs."""
    tensors = [Tensor(name, *IMAGE) for name in "xyz"]
    if what == "inputs":
        return flatbuffer.build(Operator("ADD", tensors[:2], tensors[2:]))
    return flatbuffer.build(*(Operator("RELU", tensors[:1], [made]) for made in tensors[1:]))


UNIT = Quantization(1 / 127.5)
IMAGE, EMBEDDING = ((1, 2, 2, 3), "INT8", UNIT), ((1, 12), "INT8", UNIT)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (network(IMAGE, EMBEDDING, code="LSH_PROJECTION"), "TFLite Micro does not support LSH_PROJECTION"),
        (
            network(((1, 2, 2, 3), "FLOAT32"), EMBEDDING),
            r"the input is FLOAT32 \(1, 2, 2, 3\); expected one RGB image in int8",
        ),
        (
            network(((2, 2, 2, 3), "INT8", UNIT), ((2, 12), "INT8", UNIT)),
            r"the input is INT8 \(2, 2, 2, 3\); expected one",
        ),
        (network(((1, 2, 6, 1), "INT8", UNIT), EMBEDDING), r"the input is INT8 \(1, 2, 6, 1\); expected one RGB image"),
        (network(((1, 0, 2, 3), "INT8", UNIT), EMBEDDING), r"the input is INT8 \(1, 0, 2, 3\); expected one RGB image"),
        (network(((1, 12), "INT8", UNIT), EMBEDDING), r"the input is INT8 \(1, 12\); expected one RGB image"),
        (network(IMAGE, ((1, 12), "FLOAT32")), "the output is FLOAT32; expected int8 with one scale"),
        (
            network(IMAGE, ((1, 12), "INT8", Quantization([0.5] * 12, axis=1))),
            "the output is INT8; expected int8 with one",
        ),
        (
            network(IMAGE, ((2, 6), "INT8", UNIT)),
            r"the output has shape \(2, 6\); expected one embedding of 1 to 33025 entries",
        ),
        (network(IMAGE, ((1, 33026), "INT8", UNIT)), r"the output has shape \(1, 33026\); expected one embedding"),
        (network(IMAGE, EMBEDDING, facts={}), "no threshold is stored in it; set --threshold"),
        (network(IMAGE, EMBEDDING, facts={"threshold": 1.5}), "invalid threshold 1.5: expected a cosine"),
        (network(IMAGE, EMBEDDING, facts={"threshold": "0.5"}), "invalid threshold '0.5': expected a cosine"),
        (network(IMAGE, EMBEDDING, facts={"threshold": True}), "invalid threshold True: expected a cosine"),
        (two("inputs"), "expected one input and one output, got 2 and 1"),
        (two("outputs"), "expected one input and one output, got 1 and 2"),
    ],
)
def test_models_that_it_is_not_for(model, message):
    with pytest.raises(ValueError, match=rf"^its name: {message}"):
        export(ModelFile.of(model, "its name"))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (b"{}", "the metadata does not give the preprocessing of the input as pixel - 128 or pixel"),
        (
            json.dumps({"preprocessing": "pixel", "threshold": 0.5}).encode(),
            "the metadata does not give the preprocessing of the input",
        ),
        (
            json.dumps({"preprocessing": "pixel - 128", "threshold": float("nan")}).encode(),
            "invalid threshold nan: expected",
        ),
        (b"[1]", "metadata 'seesaw_keras': not a JSON object"),
    ],
)
def test_metadata_that_do_not_fit(facts, message):
    model = network(IMAGE, EMBEDDING)
    model.metadata[METADATA] = facts
    with pytest.raises(ValueError, match=f"^its name: {message}"):
        export(ModelFile.of(model, "its name"))


def test_what_micro_cannot_run():
    """It has the operator, and not for these shapes."""
    with pytest.raises(ValueError, match=r"^its name: TFLite Micro cannot run it: .*RESHAPE"):
        export(ModelFile.of(network(IMAGE, ((1, 13), "INT8", UNIT)), "its name"))


def test_a_damaged_file(flat):
    with pytest.raises(flatbuffer.FlatbufferError, match="its name"):
        export(ModelFile.of(flat()[:-100], "its name"))
