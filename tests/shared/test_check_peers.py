"""The peers' flatbuffers in every runtime, on real faces."""

import numpy as np
import pytest

from seesaw_keras.data import open_source
from seesaw_keras.data.representative import representative_images
from seesaw_keras.inference.embedders import load_embedder
from seesaw_keras.tflite.analysis.audit import audit
from seesaw_keras.tflite.checking.check import check
from seesaw_keras.tflite.runtimes import available_runtimes

# Name, preprocessing, whether TFLite Micro runs it (one has dynamic shapes, another float16 weights).
PEERS = [
    ("ltkhang_mfn", "raw", True),
    ("ltkhang_mfn_uint8", "raw", False),
    ("visassist_mfn_2.6MB", "127.5/128", False),
    ("zye1996_993_quant", "127.5/128", True),
]


@pytest.fixture(scope="module")
def real_faces(shared):
    return representative_images(open_source(shared / "faces" / "train.rec"), 2, side=112)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preprocess", "micro"), PEERS)
def test_peer_is_checked(shared, real_faces, name, preprocess, micro):
    path = shared / "peers" / f"{name}.tflite"
    embedder = load_embedder(path, preprocess=preprocess)
    result = check(path, {"faces": embedder.inputs(real_faces)})
    assert result.passed, result.table()
    rows = {row.runtime: row for row in result.rows if row.group == "faces"}
    assert rows["xnnpack"].cosine > 0.8
    assert rows["xnnpack"].largest > 0
    equal = [equality.right for equality in result.equalities]
    assert "NumPy" in equal
    if "tflm" not in available_runtimes():
        return
    assert ("TFLite Micro" in equal) == ("NumPy as TFLite Micro" in equal) == micro
    assert any("TFLite Micro cannot run it: " in line for line in result.refused) != micro
    if micro:
        assert rows["tflm"].cosine == pytest.approx(1)
        assert result.equalities[0].entries > 1e7
        # What the arena is for, and little else; its structures take 8 bytes a pointer here.
        assert 1e6 < result.arena.planned < result.arena.total < 1.1 * result.arena.planned


def test_peers_are_audited(shared):
    """A PReLU is 33 operators that XNNPACK takes in float alone, or 66 of MAXIMUM and MINIMUM that it leaves."""
    found = {name: audit(shared / "peers" / f"{name}.tflite") for name, *_ in PEERS}
    assert {name: one.partitions for name, one in found.items()} == {
        "ltkhang_mfn": 1,
        "ltkhang_mfn_uint8": 35,
        "visassist_mfn_2.6MB": 1,
        "zye1996_993_quant": 1,
    }
    rows = {row.code: row for row in found["ltkhang_mfn_uint8"].rows}
    assert (rows["MAXIMUM"].count, rows["MAXIMUM"].in_xnnpack) == (33, 0)
    assert found["ltkhang_mfn"].slow == {"XNNPACK": (0, 0), "CMSIS-NN": (1, 1)}


@pytest.mark.slow
def test_cosines_to_the_float_peer_are_those_of_the_embedders(shared, real_faces):
    plain, quantized = (load_embedder(shared / "peers" / f"{n}.tflite", preprocess="raw") for n, *_ in PEERS[:2])
    real, rows = plain.embed(real_faces), quantized.embed(real_faces)
    expected = (real * rows).sum(1) / np.linalg.norm(real, axis=1) / np.linalg.norm(rows, axis=1)
    path = shared / "peers" / "ltkhang_mfn_uint8.tflite"
    result = check(path, {"faces": quantized.inputs(real_faces)}, float_embeddings={"faces": real})
    (row,) = [row for row in result.rows if (row.runtime, row.group) == ("xnnpack", "faces")]
    assert row.float_cosine == pytest.approx((expected.mean(), expected.min()), abs=1e-5)
