"""The page of a run, of files made by hand: what it says, and what it says when some are missing."""

import itertools
import json

import cv2
import numpy as np
import pytest

from seesaw_keras.data.sources import open_pairs
from seesaw_keras.reports.run_page import CHECKS, FORMS, write_page
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import read_facts, store_facts
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import TFLiteMicro

PNG = b"\x89PNG"
THRESHOLD = 0.25


def network(pools):
    """Means of patches of a 16x16 image, by one operator or two."""
    sides = [16, 8, 4] if pools == 2 else [16, 4]
    scale = Quantization(1 / 127.5)
    tensors = [Tensor(f"of {side}", (1, side, side, 3), "INT8", scale) for side in sides]
    operators = []
    for left, right in itertools.pairwise(tensors):
        stride = left.shape[1] // right.shape[1]
        window = {"filter_height": stride, "filter_width": stride, "stride_h": stride, "stride_w": stride}
        operators.append(Operator("AVERAGE_POOL_2D", [left], [right], window, 2))
    embedding, shape = (
        Tensor("embedding", (1, 48), "INT8", scale),
        Tensor.constant("shape", np.array([1, 48], np.int32)),
    )
    model = flatbuffer.build(*operators, Operator("RESHAPE", [tensors[-1], shape], [embedding], {"new_shape": (1, 48)}))
    store_facts(model, threshold=THRESHOLD)
    return model


def verified(accuracy, name, runtime):
    return {
        "accuracy": accuracy,
        "intervals": {"accuracy": [accuracy - 1, accuracy + 1]},
        "intervals_by": {"resampled": "identities", "units": 40, "replicates": 10, "level": 0.95},
        "identification": None,
        "pairs": {"genuine": 20, "impostor": 20, "images": 80},
        "data": {"name": "pairs"},
        "embedder": {"name": name, "runtime": runtime, "bytes": 1234},
    }


def check(**changes):
    same = {"left": "A", "right": "B", "entries": 1000, "tensors": 3, "inputs": 68, "differing": 0}
    row = {"title": "A", "group": "given", "inputs": 32, "largest": 2.0, "share": 0.125, "cosine": 0.991}
    found = {"equalities": [same], "rows": [{**row, "float_cosine": [0.98, 0.9]}], "refused": []}
    return found | {"differences": [], "distances": []} | changes


@pytest.fixture
def run(tmp_path):
    """A folder as the stages before the report leave it."""
    for form, name in FORMS.items():
        flatbuffer.write(tmp_path / name, network(2 if form == "plain" else 1))
    row = {"cosine": {"mean": 0.95}, "p_value": 0.25, "interval": [88.0, 92.0]}
    networks = {"float": {"accuracy": 91.0, **row}, "<pruned>": {"accuracy": 90.0, **row}}
    networks["int8, compressed"] = {"accuracy": 89.5, "bytes": 1000, "gzipped": 500, **row}
    files = {
        "pipeline.json": {"stages": {"train": {"command": ["python", "train.py", "a b"], "seconds": 125.0}}},
        "compress/report.json": {"recipe": {"name": "synthetic"}, "networks": networks},
        "int8.json": verified(89.5, "after.tflite", "LiteRT reference"),
        "xnnpack.json": verified(88.25, "xnnpack.tflite", "LiteRT XNNPACK"),
        **{name: check() for name in CHECKS.values()},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "curves.png").write_bytes(PNG)
    (tmp_path / "explain.html").write_text("page")
    return tmp_path


def page_of(run):
    write_page(run / "report.html", run, open_pairs("synthetic:40@16"))
    return (run / "report.html").read_text("utf-8")


def test_says_what_was_measured(run):
    page = page_of(run)
    for text in (
        "<td>float</td><td>91.00 %</td><td>88.00 to 92.00</td><td></td>",
        "<td>&lt;pruned&gt;</td><td>90.00 %</td><td>88.00 to 92.00</td><td>0.9500</td><td>0.25</td>",
        "<td>after.tflite, in LiteRT reference</td><td>89.50 %</td><td>88.50 to 90.50</td>",
        "<td>xnnpack.tflite, in LiteRT XNNPACK</td><td>88.25 %</td><td>87.25 to 89.25</td>",
        "<td>AVERAGE_POOL_2D</td><td>2</td><td>1</td><td>1</td>",
        '<p class="verdict">A and B are bit-exact in all 1,000 entries of 3 tensors on 68 inputs',
        "<td>train</td><td>2 min 05 s</td><td>python train.py &#39;a b&#39;</td>",
        'href="explain.html"',
    ):
        assert text in page
    assert "verification.html" not in page  # which is not there
    assert "deviates more" not in page
    if TFLiteMicro.is_available():
        arenas = [TFLiteMicro(run / name).arena.total for name in FORMS.values()]
        assert "TFLite Micro arena: total, bytes</td>" + "".join(f"<td>{arena:,}</td>" for arena in arenas) in page


def test_the_answers_are_those_of_the_network(run):
    """Recomputed from the pixels: means of patches, less the 128 that the network does not see."""
    page, pairs = page_of(run), open_pairs("synthetic:40@16")
    assert read_facts(flatbuffer.read(run / "xnnpack.tflite"))["threshold"] == THRESHOLD
    shown = 0
    for pair in range(len(pairs)):
        rows = []
        for image in pairs.index[pair]:
            pixels = cv2.imdecode(np.frombuffer(pairs.read(int(image)), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
            sums = (pixels.astype(int) - 128).reshape(4, 4, 4, 4, 3).sum((1, 3)).reshape(-1)
            rows.append(np.floor(np.abs(sums) / 16 + 0.5) * np.sign(sums))
        cosine = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
        yes = cosine >= THRESHOLD
        mark = "right" if yes == pairs.same[pair] else "wrong"
        shown += page.count(f"{'same' if yes else 'different'}, {mark}: cosine {cosine:.3f}")
    assert shown >= 12


def test_what_went_wrong_is_in_plain_sight(run):
    (run / CHECKS["xnnpack"]).write_text(json.dumps(check(distances=["XNNPACK: a cosine of 0.991"])))
    differing = {**check()["equalities"][0], "differing": 7}
    (run / CHECKS["tflm"]).write_text(json.dumps(check(equalities=[differing], differences=["7 entries"])))
    page = page_of(run)
    assert "deviates more" in page and "XNNPACK: a cosine of 0.991" in page
    assert '<p class="verdict warned">A and B differ in 7 of 1,000 entries' in page
    assert '<div class="value">differ</div>' in page


@pytest.mark.parametrize("name", ["int8.json", "tflm.tflite", "train/curves.png"])
def test_a_missing_file_is_named_and_nothing_is_written(run, name):
    (run / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: No such file.*; `seesaw pipeline` creates it"):
        page_of(run)
    assert not (run / "report.html").exists()


def test_a_damaged_file_is_named(run):
    (run / "int8.json").write_text("{")
    with pytest.raises(ValueError, match=r"int8\.json: damaged"):
        page_of(run)
