"""The check passes bit-exact runtimes, and fails modified ones and names the operator."""

import json

import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.models.configs import ACTIVATIONS, list_models
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.checking.check import ADVERSARIAL, adversarial_inputs, check
from seesaw_keras.tflite.conversion.interface import store_facts
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import RUNTIMES, available_runtimes

needs_micro = pytest.mark.skipif("tflm" not in available_runtimes(), reason="the extra `micro` is not installed")


@pytest.fixture(scope="module")
def images(faces):
    return (faces.astype(np.int16) - 128).astype(np.int8)


def marked(data, trained):
    model = flatbuffer.loads(data)
    store_facts(model, trained=trained)
    return flatbuffer.dumps(model)


@pytest.mark.slow
@needs_micro
@pytest.mark.parametrize("variant", list_models())
def test_every_variant_is_bit_exact_in_every_tensor(variant, converted, images):
    result = check(converted(variant), {"faces": images, "mirrored": images[:12, :, ::-1]})
    graph = flatbuffer.loads(converted(variant)).main
    computed = [tensor.size for tensor in graph.producers()]
    assert [(equality.left, equality.right) for equality in result.equalities] == [
        ("LiteRT reference", "TFLite Micro"),
        ("LiteRT reference", "NumPy"),
        ("TFLite Micro", "NumPy as TFLite Micro"),
    ]
    for equality in result.equalities:
        assert (equality.inputs, equality.tensors) == (32, len(computed))
        assert equality.entries == 32 * sum(computed)
        assert (equality.differing, equality.first) == (0, None), result.table()
    assert result.passed
    assert result.table().splitlines()[-1] == "passed"


@pytest.mark.slow
@needs_micro
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "swish"])  # that of the variants
def test_every_activation_is_bit_exact_in_every_tensor(activation, faces):
    from seesaw_keras.api import keras
    from seesaw_keras.tflite.conversion.convert import convert

    keras.utils.set_random_seed(0)
    small = {"input_shape": (16, 16, 3), "width": 0.1, "embedding_size": 8}
    network = seesaw_keras.build("share", activation=activation, se_activation=activation, **small)
    middles = faces[:4, 8:24, 8:24]
    result = check(convert(network, images=middles), {"faces": (middles.astype(np.int16) - 128).astype(np.int8)})
    assert result.passed, result.table()
    assert result.equalities[0].inputs == 8


class TestDoctored:
    @pytest.fixture
    def entered(self, converted, doctored, monkeypatch):
        """Function: enters a doctored runtime under a name, in which `shuffle`'s operator 30 goes wrong."""

        def enter(name, **arguments):
            runtime = type(doctored(converted("shuffle"), 30, **arguments))
            monkeypatch.setitem(RUNTIMES, name, runtime)
            return converted("shuffle")

        return enter

    @pytest.mark.slow
    def test_one_tensor_is_enough_to_fail(self, entered, images):
        data = entered("doctored", equals="reference")
        result = check(data, {"faces": images[:2]})
        operator = flatbuffer.loads(data).main.operators[30]
        (equality,) = [equality for equality in result.equalities if equality.right == "doctored"]
        assert not result.passed
        assert (equality.first.operator, equality.first.code) == (30, operator.code)
        assert equality.first.name == operator.outputs[0].name
        told = result.table().splitlines()
        at = told.index("NOT PASSED")
        assert f"LiteRT reference and doctored differ in {equality.differing:,} of" in told[at + 1]
        assert f"operator 30 {operator.code}, tensor " in told[at + 2]
        assert told[at + 2].endswith("also in isolation")

    def test_a_difference_counts_though_no_output_shows_it(self, doctored, monkeypatch):
        names = ("image", "made", "lost")
        image, made, lost = (Tensor(name, (1, 2, 2, 3), "INT8", Quantization(1.0)) for name in names)
        adds = [Operator("ADD", [image, image], [tensor], version=2) for tensor in (made, lost)]
        data = flatbuffer.dumps(flatbuffer.build(*adds, outputs=[made]))
        monkeypatch.setitem(RUNTIMES, "doctored", type(doctored(data, 1, equals="reference")))
        result = check(data, {"ones": np.ones((1, 2, 2, 3), np.int8)})
        (equality,) = [equality for equality in result.equalities if equality.right == "doctored"]
        assert not result.passed
        assert (equality.first.operator, equality.first.name) == (1, "lost")
        assert equality.differing >= 12

    @pytest.mark.slow
    def test_so_is_an_output_that_only_shared_memory_spoils(self, entered, images):
        result = check(entered("doctored", equals="reference", kept=False), {"faces": images[:2]})
        assert not result.passed
        assert "only in outputs, so tensors overlap in memory" in result.problems[0]

    @pytest.mark.slow
    @pytest.mark.parametrize("trained", [True, False])
    def test_xnnpack_has_to_be_close_on_trained_networks(self, entered, images, trained):
        data = marked(entered("xnnpack"), trained)
        result = check(data, {"faces": images[:2]})
        rows = {row.group: row for row in result.rows if row.runtime == "xnnpack"}
        assert rows["faces"].cosine < 0.995  # random weights, and a bias that is far off
        assert rows["faces"].largest > 1
        assert result.passed is not trained
        if trained:
            assert result.problems == [f"doctored, faces: a cosine of {rows['faces'].cosine:.4f}, less than 0.995"]
        assert not result.differences  # it need not compute the same


class TestOutputDifference:
    @pytest.mark.slow
    def test_is_what_the_outputs_say(self, converted, images, embed, faces):
        data = converted("mobilefacenet")
        real = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
        result = check(data, {"faces": images}, float_embeddings={"faces": real})
        row = next(row for row in result.rows if (row.runtime, row.group) == ("reference", "faces"))
        rows = embed(data, faces)
        cosines = (rows * real).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(real, axis=1)
        assert row.float_cosine == pytest.approx((cosines.mean(), cosines.min()), abs=1e-5)
        assert (row.inputs, row.largest, row.share) == (16, 0, 0)
        assert row.cosine == pytest.approx(1)

    def test_counts_steps(self, monkeypatch):
        """Twice against thrice the input: differences, shares and cosines are those of the input itself."""
        image, made = (Tensor(name, (1, 2, 2, 3), "INT8", Quantization(1.0)) for name in ("image", "made"))
        twice = flatbuffer.dumps(flatbuffer.build(Operator("ADD", [image, image], [made], version=2)))

        class Pass(RUNTIMES["reference"]):
            title = "pass"

            def run(self, images):
                return images

        monkeypatch.setitem(RUNTIMES, "pass", Pass)
        given = np.zeros((2, 2, 2, 3), np.int8)
        given[0, 0, 0], given[1, 1, 1] = (3, 4, 0), (-9, 0, 0)
        result = check(twice, {"given": given})
        row = next(row for row in result.rows if (row.runtime, row.group) == ("pass", "given"))
        assert (row.largest, row.share) == (9, 3 / 24)
        assert row.cosine == pytest.approx(1)  # doubling does not turn a vector
        assert "9 steps" in result.table()


def test_float_networks_are_equal_within_a_tolerance(converted, faces):
    inputs = {"faces": ((faces[:4] - 127.5) / 127.5).astype(np.float32)}
    result = check(converted("mobilefacenet", type="float32"), inputs)
    assert result.passed
    assert not result.integers
    assert "floats are compared with a tolerance of 0.0001" in result.table()


@needs_micro
def test_a_runtime_that_cannot_run_the_model_is_reported(converted, faces):
    inputs = {"faces": ((faces[:1] - 127.5) / 127.5).astype(np.float32)}
    result = check(converted("mobilefacenet", type="float16"), inputs)
    assert [equality.right for equality in result.equalities] == ["NumPy"]
    assert "TFLite Micro cannot run it: " in result.table()
    assert "NumPy as TFLite Micro cannot run it: DEQUANTIZE " in result.table()
    assert result.passed


def test_what_only_the_reference_runs_is_unproven():
    given, made = Tensor("given", (1, 4), "FLOAT32"), Tensor("made", (1, 4), "FLOAT32")
    result = check(flatbuffer.build(Operator("COS", [given], [made])), {"ones": np.ones((1, 4), np.float32)})
    assert not [equality for equality in result.equalities if equality.right != "TFLite Micro"]
    assert any("COS 'made': the operator is not supported" in line for line in result.refused)


def test_the_reference_has_to_be_equal(monkeypatch):
    """NumPy as LiteRT's kernels computes FULLY_CONNECTED otherwise than TFLite Micro: now and then by a step."""
    r = np.random.default_rng(0)
    given, made = (Tensor(n, (1, size), "INT8", Quantization(s)) for n, size, s in [("x", 64, 0.02), ("y", 512, 0.11)])
    weights = Tensor.constant("w", r.integers(-127, 128, (512, 64)).astype(np.int8), Quantization(0.013))
    dense = flatbuffer.build(Operator("FULLY_CONNECTED", [given, weights, None], [made], version=4))
    inputs = {"noise": r.integers(-128, 128, (64, 64)).astype(np.int8)}
    monkeypatch.delitem(RUNTIMES, "tflm")
    monkeypatch.delitem(RUNTIMES, "numpy-tflm")
    assert check(dense, inputs).passed
    monkeypatch.setattr(RUNTIMES["numpy"], "flavor", "tflm")
    result = check(dense, inputs)
    assert not result.passed
    assert result.problems[0].startswith("LiteRT reference and NumPy differ in ")
    assert "operator 0 FULLY_CONNECTED, tensor " in result.problems[1]


def test_json_holds_the_verdict(converted, images):
    seen = []
    result = check(converted("mobilefacenet"), {"faces": images[:1]}, progress=lambda *facts: seen.append(facts))
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (record["passed"], record["problems"]) == (True, [])
    assert {row["group"] for row in record["rows"]} == {"faces", "adversarial"}
    assert seen[0] == ("LiteRT reference", 1, 5)
    if result.equalities:
        assert seen[-1] == ("all tensors", 5, 5)
        assert record["arena"]["total"] == result.arena.total


def test_runtimes_can_be_chosen(converted, images):
    result = check(converted("mobilefacenet"), {"faces": images[:1]}, runtimes=("xnnpack",))
    assert {row.runtime for row in result.rows} == {"reference", "xnnpack"}
    assert not result.equalities
    assert "no second runtime that must be bit-exact was available" in result.table()


class TestAdversarialInputs:
    @pytest.mark.parametrize("type", ["INT8", "UINT8"])
    def test_lie_at_the_edges_of_integers(self, type):
        given = Tensor("image", (1, 4, 5, 3), type, Quantization(1.0))
        limits = np.iinfo(given.dtype)
        least, most, noise, hot = made = adversarial_inputs(given)
        assert (made.shape, made.dtype, len(ADVERSARIAL)) == ((4, 4, 5, 3), given.dtype, 4)
        assert (least == limits.min).all()
        assert (most == limits.max).all()
        assert len(np.unique(noise)) > 40
        assert ((hot == limits.max).all(axis=2).sum(), (hot == limits.min).all(axis=2).sum()) == (1, 19)
        np.testing.assert_array_equal(made, adversarial_inputs(given))

    def test_of_floats_at_those_of_what_is_given(self):
        given = Tensor("image", (1, 4, 4, 3), "FLOAT32")
        low, high = adversarial_inputs(given, [np.array([0.0, 3.0]), np.array([-2.0])])[:2]
        assert (low.max(), high.min(), low.dtype) == (-2, 3, np.float32)
        assert [row.max() for row in adversarial_inputs(given)[:2]] == [-1, 1]
