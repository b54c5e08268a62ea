"""The operator where two runtimes part, found in networks that were doctored at a known place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.checking.tensor_diff import differing, first_difference, in_steps, isolate, largest_difference
from seesaw_keras.tflite.runtimes import LiteRTReference, available_runtimes, open_runtime


@pytest.fixture(scope="module")
def images(faces):
    return (faces[:4].astype(np.int16) - 128).astype(np.int8)


@pytest.fixture(scope="module")
def shuffle(converted):
    return converted("shuffle")


def both(network, doctored, image):
    left = LiteRTReference(network)
    return left, doctored, [image], left.tensors(image), doctored.tensors(image)


@pytest.mark.parametrize("code", ["CONV_2D", "DEPTHWISE_CONV_2D", "PRELU", "ADD"])
def test_the_doctored_operator_is_named(shuffle, images, doctored, code):
    operators = flatbuffer.loads(shuffle).main.operators
    number = [n for n, operator in enumerate(operators) if operator.code == code][-1]
    found = first_difference(*both(shuffle, doctored(shuffle, number), images[:1]))
    assert (found.operator, found.code, found.alone) == (number, code, True)
    assert found.name == operators[number].outputs[0].name
    assert found.entries == operators[number].outputs[0].size
    assert 0 < found.differing <= found.entries
    assert found.largest >= 1
    assert f"operator {number} {code}, tensor {found.tensor} '{found.name}': {found.differing} of" in str(found)


def test_what_differs_inside_of_the_network_alone_is_said_to(shuffle, images, doctored):
    """Such as a tensor that another one was written over."""
    number = 20
    found = first_difference(*both(shuffle, doctored(shuffle, number, alone=False), images[:1]))
    assert (found.operator, found.alone) == (number, False)
    assert str(found).endswith("not in isolation, so the surrounding graph plays a part")


def test_a_runtime_does_not_differ_from_itself(shuffle, images):
    assert first_difference(*both(shuffle, LiteRTReference(shuffle), images[:1])) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", available_runtimes())
def test_every_operator_computes_the_same_on_its_own(shuffle, images, name):
    runtime = open_runtime(name, shuffle)
    graph = runtime.model.main
    values = {graph.inputs[0]: images[:1]}
    values |= {graph.tensors[number]: value for number, value in runtime.tensors(images[:1]).items()}
    codes = set()
    for operator in graph.operators:
        if operator.code in codes:  # each kind once
            continue
        codes.add(operator.code)
        cut = isolate(operator)
        assert cut.main.operators == [operator]
        made = open_runtime(name, cut).invoke(*(values[tensor] for tensor in cut.main.inputs))
        for tensor, value in zip(operator.outputs, made, strict=True):
            np.testing.assert_array_equal(value, values[tensor], err_msg=operator.code)
    assert len(codes) > 8


FIXED = settings(derandomize=True, deadline=None)
INT8 = arrays(np.int8, (2, 3))
FLOAT32 = arrays(np.float32, (2, 3), elements=st.floats(-4, 4, width=32))


@FIXED
@given(INT8, INT8)
def test_integers_differ_where_they_are_not_the_same(left, right):
    expected = [[int(a) != int(b) for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]
    assert differing(left, right).tolist() == expected
    assert largest_difference(left, right) == max(
        abs(int(a) - int(b)) for a, b in zip(left.flat, right.flat, strict=True)
    )


@FIXED
@given(FLOAT32, st.integers(0, 5), st.sampled_from([0.5e-4, 2e-4]))
def test_floats_differ_by_more_than_the_tolerance(left, index, share):
    left.flat[0] = 8  # the largest entry
    right = left.copy()
    right.flat[index] += 8 * share
    assert differing(left, right).sum() == (share > 1e-4)


def test_what_is_no_number_is_equal_to_itself_alone():
    left = np.array([np.nan, np.inf, 1], np.float32)
    assert not differing(left, left).any()
    assert differing(left, np.array([0, -np.inf, 1], np.float32)).tolist() == [True, True, False]


def test_other_shapes_differ_everywhere():
    left, right = np.zeros((2, 3), np.int8), np.zeros(6, np.int8)
    assert differing(left, right).all()
    assert in_steps(largest_difference(left, right)) == "inf"


@pytest.mark.parametrize(("largest", "told"), [(0.0, "0"), (1.0, "1 step"), (3.0, "3 steps"), (0.01234, "0.012")])
def test_differences_for_people(largest, told):
    assert in_steps(largest) == told
