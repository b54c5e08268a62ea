"""The peers' published accuracies on LFW View 2, reproduced with the tool."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
TABLE = [
    ("ltkhang_mfn.tflite", "raw", 99.37),
    ("ltkhang_mfn_uint8.tflite", "raw", 98.22),
    ("visassist_mfn_2.6MB.tflite", "127.5/128", 98.82),
    ("zye1996_993_quant.tflite", "127.5/128", 98.75),
    ("foamliu_MobileFaceNet.onnx", "imagenet", 98.90),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preprocess", "accuracy"), TABLE)
def test_peer_reaches_its_published_accuracy(tmp_path, name, preprocess, accuracy):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), "--model", str(SHARED / "peers" / name)]
    command += ["--data", str(SHARED / "faces" / "lfw_view2_aligned112.zip"), "--preprocess", preprocess]
    command += ["--pairs", str(SHARED / "faces" / "pairs.txt"), "--json", str(tmp_path / "r.json")]
    subprocess.run(command, check=True, capture_output=True)
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert record["accuracy"] == pytest.approx(accuracy, abs=0.15)
    assert record["pairs"] == {"genuine": 3000, "impostor": 3000, "images": 7701}
