"""Scale alignment: where the kernels of two runtimes differ, and that aligned scales make them bit-exact."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.models import configs
from seesaw_keras.models.configs import ACTIVATIONS, list_models
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion import convert
from seesaw_keras.tflite.conversion.scale_alignment import align_scales, is_bit_exact
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, dumps
from seesaw_keras.tflite.reference import Interpreter
from seesaw_keras.tflite.runtimes import open_runtime

INTEGERS = np.arange(-128, 128).astype(np.int8)
PAIRS = np.meshgrid(INTEGERS, INTEGERS, indexing="ij")
MOST = 1e-6  # largest relative change of a scale


def value(name, scale, zero_point=0, shape=(256, 256)):
    return Tensor(name, shape, "INT8", Quantization(scale, zero_point))


def boundary(r):
    """A factor by which some product of two int8 comes close to half a step."""
    while True:
        product, half = int(r.integers(1, 127 * 255)), r.integers(1, 127) + 0.5
        # A factor under a half is a product and a rounding shift, so half of what is shifted out earlier.
        shift = max(0, -np.frexp(half / product)[1])
        factor = (half - (2.0 ** -(shift + 1) if shift else 0)) / product
        if 2**-9 < factor < 2:
            return factor


def mul(r):
    a, b = r.uniform(0.005, 0.05, 2)
    inputs = [value("a", a, int(r.integers(-128, 128))), value("b", b, int(r.integers(-128, 128)))]
    return Operator("MUL", inputs, [value("y", a * b / boundary(r), int(r.integers(-128, 128)))])


def prelu(r):
    a, b = r.uniform(0.005, 0.05, 2)
    slopes = Tensor.constant("slopes", INTEGERS, Quantization(b))
    made = value("y", a * r.choice([1, b]) / boundary(r), int(r.integers(-128, 128)))
    return Operator("PRELU", [value("x", a, int(r.integers(-128, 128))), slopes], [made])


def relu(r):
    a = r.uniform(0.005, 0.05)
    factor = (r.integers(1, 127) + 0.5) / r.integers(64, 256)
    return Operator("RELU", [value("x", a, -128)], [value("y", a / factor, -128)], version=2)


def leaky_relu(r):
    a, alpha = r.uniform(0.005, 0.05), float(np.float32(r.uniform(0.1, 0.9)))
    factor = (r.integers(1, 127) + 0.5) / r.integers(64, 256)
    return Operator("LEAKY_RELU", [value("x", a, -128)], [value("y", a / factor, -128)], {"alpha": alpha}, version=2)


def hard_swish(r):
    """With a factor half-way between two integers of 16 bits."""
    a = r.uniform(0.005, 0.05)
    factor = (r.integers(1 << 14, 1 << 15) + 0.5) / 2.0**15 * 2.0 ** r.integers(-8, -6)
    return Operator("HARD_SWISH", [value("x", a, int(r.integers(-128, 0)))], [value("y", a / 128 / factor, -100)])


def halfway(result, integer):
    """The scale with which the sigmoid of an integer is half-way from a result to the next, in 1/256."""
    half = (result + 0.5) / 256
    return np.log(half / (1 - half)) / integer


def logistic(r):
    scale = halfway(r.integers(140, 250), r.integers(30, 128))
    return Operator("LOGISTIC", [value("x", scale)], [value("y", 1 / 256, -128)], version=2)


DRAWS = {f.__name__.upper(): f for f in (mul, prelu, relu, leaky_relu, hard_swish, logistic)}


def given_everything(model):
    return PAIRS[: len(model.main.inputs)]


def found(draw, agree):
    """Returns the first drawn operator for which `is_bit_exact` returns `agree`."""
    r = np.random.default_rng(0)
    for _ in range(2000):
        operator = draw(r)
        if is_bit_exact(operator) == agree:
            return operator
    raise AssertionError("none")


@pytest.mark.parametrize("code", DRAWS)
def test_is_bit_exact_predicts_the_difference(code, both):
    """It predicts whether the runtimes differ, always by one step; the reference reproduces both."""
    r = np.random.default_rng(0)
    agreed = set()
    for _ in range(60):
        operator = DRAWS[code](r)
        model = build(operator)
        given = given_everything(model)
        litert, micro = (side[operator.outputs[0]] for side in both(model, *given))
        for flavor, side in (("litert", litert), ("tflm", micro)):
            (ours,) = Interpreter(model, flavor).run(*(array[None] for array in given))
            np.testing.assert_array_equal(ours[0], side)
        assert np.abs(litert.astype(int) - micro).max() == 1 - is_bit_exact(operator)
        agreed.add(is_bit_exact(operator))
    assert agreed == {False, True}


@pytest.mark.parametrize("code", sorted(DRAWS.keys() - {"LOGISTIC"}))
def test_aligned_outputs_are_bit_exact(code, both):
    operator = found(DRAWS[code], agree=False)
    model = build(operator)
    (made,) = operator.outputs
    before = made.quantization.scale
    assert align_scales(model) == []
    assert 0 < abs(made.quantization.scale / before - 1) < MOST
    litert, micro = both(model, *given_everything(model))
    np.testing.assert_array_equal(litert[made], micro[made])


def test_every_operator_of_a_model_is_aligned():
    operators = [found(draw, agree=False) for draw in (DRAWS["MUL"], DRAWS["PRELU"], DRAWS["HARD_SWISH"]) * 8]
    model = build(*operators)
    assert align_scales(model) == []
    assert all(is_bit_exact(operator) for operator in operators)


@pytest.mark.slow
def test_a_conversion_aligns_scales(monkeypatch, network, faces):
    """A network so deep that without alignment some products differ."""
    monkeypatch.setitem(configs._REGISTRY, "shuffle", configs._SHUFFLE)
    whole = network("shuffle")
    assert all(map(is_bit_exact, convert.convert(whole, images=faces).main.operators))
    monkeypatch.setattr(convert, "align_scales", lambda model: [])
    assert not all(map(is_bit_exact, convert.convert(whole, images=faces).main.operators))


def shared(scale):
    """A swish of two concatenated sums, which has to take one scale with it: four tensors, and the unit of a bias."""
    image, other = value("image", scale * 1.3), value("other", scale * 0.7)
    left, right = value("left", scale, -3), value("right", scale, -3)
    both = value("both", scale, -3, (256, 512))
    flat = value("flat", scale, -3, (1, 256, 512, 1))
    gates, made = value("gates", 1 / 256, -128, (1, 256, 512, 1)), value("made", scale * 0.6, -100, (1, 256, 512, 1))
    weights = Tensor.constant("w", np.full((2, 1, 1, 1), 100, np.int8), Quantization([0.01, 0.02]))
    bias = Tensor.constant("b", np.zeros(2, np.int32), Quantization(np.float32([0.01, 0.02]) * np.float32(scale)))
    return build(
        Operator("ADD", [image, other], [left], version=2),
        Operator("ADD", [other, image], [right], version=2),
        Operator("CONCATENATION", [left, right], [both], {"axis": 1}, version=2),
        Operator("RESHAPE", [both, Tensor.constant("shape", np.int32([1, 256, 512, 1]))], [flat]),
        Operator("LOGISTIC", [flat], [gates], version=2),
        Operator("MUL", [flat, gates], [made], version=2),
        Operator("CONV_2D", [flat, weights, bias], [value("end", 0.05, shape=(1, 256, 512, 2))], version=3),
    )


def scales(model):
    return {t.name: t.quantization.scales.tolist() for t in model.main.tensors if t.quantization}


def test_tensors_that_share_a_scale_are_aligned_together(both):
    scale = float(found(logistic, agree=False).inputs[0].quantization.scale)
    model = shared(scale)
    before = scales(model)
    assert align_scales(model) == []
    after = scales(model)
    moved = np.float32(after["left"][0])
    assert after["right"] == after["both"] == after["flat"] == [moved]
    assert 0 < abs(moved / before["left"][0] - 1) < MOST
    assert after["b"] == [np.float32(0.01) * moved, np.float32(0.02) * moved]
    assert {name for name in after if after[name] != before[name]} <= {"left", "right", "both", "flat", "b", "made"}
    litert, micro = both(model, *PAIRS)  # LiteRT would refuse parts of another scale than their concatenation's
    for tensor in litert:
        np.testing.assert_array_equal(litert[tensor], micro[tensor])


def test_operators_that_cannot_be_aligned_are_returned_unchanged():
    """The scale of an input belongs to the caller, and that of LOGISTIC's output is fixed."""
    operator = found(logistic, agree=False)
    model = build(operator)
    before = dumps(model)
    assert align_scales(model) == [operator]
    assert dumps(model) == before


def test_operators_with_identical_kernels_are_skipped():
    assert is_bit_exact(Operator("ADD", [value("a", 1e-9), value("b", 1)], [value("y", 1)]))
    real = Tensor("x", (4,), "FLOAT32"), Tensor("y", (4,), "FLOAT32")
    assert is_bit_exact(Operator("LOGISTIC", [real[0]], [real[1]]))


def test_an_operator_that_one_runtime_rejects_is_not_bit_exact():
    operator = Operator("LOGISTIC", [value("x", 0.1)], [value("y", 1 / 128, -128)], version=2)
    assert not is_bit_exact(operator)
    assert align_scales(build(operator)) == [operator]


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(0.003, 0.3) | st.builds(halfway, st.integers(140, 250), st.integers(30, 127)))
def test_only_scales_change_and_only_slightly(scale):
    model = shared(scale)
    aligned = copy.deepcopy(model)
    unaligned = align_scales(aligned)
    assert all(is_bit_exact(operator) != (operator in unaligned) for operator in aligned.main.operators)
    before, after = scales(model), scales(aligned)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=MOST)
    assert len({after[name][0] for name in ("left", "right", "both", "flat")}) == 1
    assert [after[name] for name in ("image", "other", "w")] == [before[name] for name in ("image", "other", "w")]
    once = dumps(aligned)
    align_scales(aligned)
    assert dumps(aligned) == once
    for old, new in zip(model.main.tensors, aligned.main.tensors, strict=True):
        if old.quantization:
            new.quantization.scales = old.quantization.scales
    assert dumps(aligned) == dumps(model)


@pytest.fixture(scope="module")
def images(faces):
    """Sixteen faces and sixteen artificial images: noise, black, white, one bright pixel; int8 (32, 32, 32, 3)."""
    r = np.random.default_rng(0)
    others = r.integers(0, 256, (16, 32, 32, 3), np.uint8)
    others[0], others[1], others[2] = 0, 255, 0
    others[2, 16, 16] = 255
    return (np.concatenate([faces, others]) ^ 128).view(np.int8)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("variant", list_models())
def test_every_network_is_the_same_integers_in_both(variant, activation, converted, images):
    pytest.importorskip("tflite_micro")
    data = converted(variant, activation)
    assert {tensor.type for tensor in flatbuffer.loads(data).main.tensors} == {"INT8", "INT32"}
    litert, micro = open_runtime("reference", data), open_runtime("tflm", data)
    for image in images:
        ours, theirs = litert.tensors(image[None]), micro.tensors(image[None])
        differing = [number for number in ours if not np.array_equal(ours[number], theirs[number])]
        assert not differing, f"{litert.model.main.tensors[differing[0]].name} is the first of {len(differing)}"
