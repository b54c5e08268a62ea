"""Whole networks: the form for phones puts out the same integers as the plain one."""

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.audit import xnnpack_partitions
from seesaw_keras.tflite.conversion.interface import read_facts
from seesaw_keras.tflite.passes import TARGETS, fold_shuffles, rewrite, split_streams
from seesaw_keras.tflite.runtimes import open_runtime

VARIANTS = ["share", "shuffle", "phone", "shuffle_hard", "dw_v1", "dw_v2"]


def both_outputs(plain, rewritten, images, name="reference"):
    (given,) = plain.main.inputs
    inputs = images.astype(np.int16) - 128 if given.type == "INT8" else (images - 127.5) / 127.5
    return (open_runtime(name, model).run(inputs.astype(given.dtype)) for model in (plain, rewritten))


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_integers(variant, converted, faces):
    noise = np.random.RandomState(0).randint(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    images = np.concatenate([faces, noise])
    plain = flatbuffer.loads(converted(variant))
    shuffles = sum(operator.code == "TRANSPOSE" for operator in plain.main.operators)
    dense, paired = (flatbuffer.loads(converted(variant)) for _ in range(2))
    counts = rewrite(dense, "xnnpack")
    assert counts["fold_shuffles"] == fold_shuffles(paired.main) == shuffles
    # At this width it pays to merge all pairs but those of share's shifted stream; then no stream is in parts.
    assert counts["merge_pairs"] > 0 and split_streams(paired.main) == (0 if variant == "share" else 3)
    for model in (dense, paired):
        for before, after in [both_outputs(plain, model, images)]:
            np.testing.assert_array_equal(after, before)
            assert len({row.tobytes() for row in before}) == len(images)


@pytest.mark.slow
@pytest.mark.parametrize("type", ["float32", "float16"])
def test_float_to_1e_5(type, converted, faces):
    plain, rewritten = (flatbuffer.loads(converted("phone", type=type)) for _ in range(2))
    counts = rewrite(rewritten, "xnnpack")
    assert (counts["fold_shuffles"], counts["merge_pairs"]) == (6, 0)
    for name in ("reference", "xnnpack"):
        before, after = both_outputs(plain, rewritten, faces, name)
        length = np.linalg.norm(before, axis=1, keepdims=True)
        np.testing.assert_allclose(after / length, before / length, atol=1e-5)


def test_signature_names_and_facts_survive(converted):
    plain, rewritten = (flatbuffer.loads(converted("phone")) for _ in range(2))
    rewrite(rewritten, "xnnpack")
    rewritten = flatbuffer.loads(flatbuffer.dumps(rewritten))
    assert read_facts(rewritten) == read_facts(plain)
    (signature,) = rewritten.signatures
    assert (signature.inputs, signature.outputs) == (
        {"image": rewritten.main.inputs[0]},
        {"embedding": rewritten.main.outputs[0]},
    )
    names = {tensor.name for tensor in plain.main.tensors}
    computed = list(rewritten.main.producers())
    assert sum(tensor.name in names for tensor in computed) > 0.9 * len(computed)
    assert len({tensor.name for tensor in computed}) == len(computed)


def test_xnnpack_takes_all_of_it_at_once(converted):
    model = flatbuffer.loads(converted("phone"))
    rewrite(model, "xnnpack")
    assert [len(part) for part in xnnpack_partitions(model)] == [len(model.main.operators)]


def test_targets(converted):
    model = flatbuffer.loads(converted("phone"))
    assert rewrite(model, "plain") == {}
    assert flatbuffer.dumps(model) == converted("phone")
    with pytest.raises(ValueError, match=r"unknown target 'fridge': .* All: plain, xnnpack, tflm"):
        rewrite(model, "fridge")
    assert list(TARGETS) == ["plain", "xnnpack", "tflm"]
