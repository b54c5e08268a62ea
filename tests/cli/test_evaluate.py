import functools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import RUNTIMES, available_runtimes

SIDES = (("image", 16), ("pixel", 1))
POOL = {"filter_height": 1, "filter_width": 1, "stride_h": 16, "stride_w": 16}


@pytest.fixture(scope="module")
def evaluate(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "evaluate")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """LFW-like images of 40 people, a protocol of two folds, and embeddings of two qualities."""
    folder, generator = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    names = []
    for person in range(40):
        (folder / "images" / f"p{person}").mkdir(parents=True)
        for number in (1, 2):
            names.append(f"p{person}/p{person}_{number:04d}.png")
            pixels = generator.integers(0, 256, (16, 16, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / names[-1]), pixels)
    lines = ["2\t20"]
    for fold in (range(20), range(20, 40)):
        lines += [f"p{person}\t1\t2" for person in fold]
        lines += [f"p{person}\t1\tp{(person + 1) % 40}\t2" for person in fold]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    people = np.repeat(generator.normal(size=(40, 16)), 2, axis=0)
    for name, noise in (("good", 0.4), ("poor", 1.0)):
        rows = people + noise * generator.normal(size=people.shape)
        np.savez(folder / f"{name}.npz", embeddings=rows, names=np.array(names))
    return folder


def test_everything_it_writes(evaluate, faces, tmp_path):
    done = evaluate(
        *("--model", faces / "good.npz", "--compare", faces / "poor.npz", "--data", faces / "images"),
        *(
            "--pairs",
            faces / "pairs.txt",
            "--far",
            "0.05",
            "--json",
            tmp_path / "r.json",
            "--card",
            tmp_path / "c.json",
        ),
        *("--markdown", tmp_path / "r.md", "--report", tmp_path / "r.html"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert 90 < record["accuracy"] <= 100
    assert record["comparison"]["accuracy_change"] < 0
    assert record["comparison"]["figures"]["accuracy"] == pytest.approx(
        record["accuracy"] + record["comparison"]["accuracy_change"]
    )
    assert f"{record['accuracy']:.2f} ±" in done.stdout
    assert (tmp_path / "r.md").read_text("utf-8").strip() == done.stdout.strip()
    assert json.loads((tmp_path / "c.json").read_text("utf-8")) == {"calibration": record["calibration"]}
    assert (tmp_path / "r.html").read_text("utf-8").endswith("</html>\n")


def test_a_model_on_its_own(evaluate, faces):
    done = evaluate("--model", faces / "good.npz", "--data", faces / "images", "--pairs", faces / "pairs.txt")
    assert done.returncode == 0, done.stderr
    assert "No threshold chosen: FAR 0.0001 is not measurable: only 40 impostor pairs" in done.stdout


@pytest.mark.parametrize("runtime", available_runtimes())
def test_a_flatbuffer_in_each_runtime(evaluate, faces, tmp_path, runtime):
    """The first pixel of each channel, and what is told of who computed it."""
    image, pixel = (Tensor(name, (1, side, side, 3), "INT8", Quantization(1 / 127.5)) for name, side in SIDES)
    flatbuffer.write(tmp_path / "pixel.tflite", flatbuffer.build(Operator("MAX_POOL_2D", [image], [pixel], POOL, 2)))
    done = evaluate(
        *("--model", faces / "good.npz", "--compare", tmp_path / "pixel.tflite", "--runtime", runtime),
        *("--data", faces / "images", "--pairs", faces / "pairs.txt", "--json", tmp_path / "r.json"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert record["comparison"]["embedder"]["runtime"] == RUNTIMES[runtime].title


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "none.tflite"], "none.tflite: no such model"),
        (["--model", "good.npz", "--pairs", "none.txt"], "none.txt"),
        (["--model", "good.npz", "--flip"], "stored embeddings do not support flip"),
        (["--model", "good.npz", "--card", "card.json"], "card.json: nothing to store, FAR 0.0001 is not measurable"),
        (["--model", "good.npz", "surplus"], "unexpected argument 'surplus'"),
    ],
)
def test_user_errors_are_one_line(evaluate, faces, flags, message):
    known = {"good.npz": faces / "good.npz"}
    defaults = ["--data", faces / "images", "--pairs", faces / "pairs.txt"]
    done = evaluate(*defaults, *(known.get(flag, flag) for flag in flags))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("card.json").exists()


def test_help_teaches(evaluate):
    done = evaluate("--help")
    assert "seesaw evaluate --model model.tflite --preprocess raw --data" in done.stdout
    assert "`accuracy` is in percent" in done.stdout
