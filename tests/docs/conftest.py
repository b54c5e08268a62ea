"""The process that runs the pages' commands, and what they are given."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def runner():
    """Function: arguments, folder -> (exit code, output) of `python ARGUMENTS` in that folder, see runner.py."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(HERE / "runner.py")], text=True, **pipes) as process:

        def run(arguments, folder, *, whole=False):
            request = {"arguments": [str(part) for part in arguments], "folder": str(folder), "whole": whole}
            print(json.dumps(request), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            assert answer, f"the runner died of {arguments}"
            return tuple(json.loads(answer).values())

        yield run
        process.stdin.close()


@pytest.fixture(scope="session")
def stand_ins(runner, onnx_mean_model, reference_arrays, tmp_path_factory):
    """A folder with small files under the names that the pages use."""
    folder = tmp_path_factory.mktemp("stand_ins")
    code, output = runner([HERE / "stand_ins.py", folder], folder)
    assert code == 0, output
    (folder / "teacher.onnx").write_bytes(onnx_mean_model)
    # An .npz under the name of a .pth: the format is detected from the content, so PyTorch is not needed.
    with (folder / "model.pth").open("wb") as file:
        np.savez(file, **reference_arrays("seesaw_shuffleFaceNet"))
    return folder


@pytest.fixture
def folder(stand_ins, tmp_path):
    """A copy of them, to work in."""
    return shutil.copytree(stand_ins, tmp_path / "work")
