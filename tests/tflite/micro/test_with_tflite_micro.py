"""The whole against TFLite Micro itself; `TFLITE_MICRO_DIR` names a checkout in which its library has been built."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from seesaw_keras.tflite.analysis.audit import TFLM_OPERATORS
from seesaw_keras.tflite.micro import export, write_sources
from seesaw_keras.tflite.micro.operators import resolver_method

CHECKOUT = Path(os.environ["TFLITE_MICRO_DIR"])


@pytest.mark.parametrize("variant", ["shuffle", "phone"])
def test_the_same_integers(converted, tmp_path, variant):
    sources, build = tmp_path / "sources", tmp_path / "build"
    made = export(converted(variant), threshold=0.35)
    write_sources(sources, made)
    for command in (
        ["cmake", "-S", sources, "-B", build, f"-DTFLITE_MICRO_DIR={CHECKOUT}", "-DCMAKE_CXX_FLAGS=-Werror"],
        ["cmake", "--build", build],
        [build / "self_test"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    parts, arena, network = done.stdout.splitlines()
    assert (parts, network) == ("parts: ok", "network: ok")
    used, size = map(int, re.fullmatch(r"arena: (\d+) of (\d+) bytes", arena).groups())
    assert used <= made.arena.total < size == made.arena_size


def test_names_of_methods():
    header = (CHECKOUT / "tensorflow/lite/micro/micro_mutable_op_resolver.h").read_text("utf-8")
    listed = re.findall(r"TfLiteStatus (Add\w+)\((?:(?!TfLiteStatus Add).)*?BuiltinOperator_(\w+)", header, re.S)
    methods = {code: method for method, code in listed if code != "CUSTOM"}
    assert {code: resolver_method(code) for code in TFLM_OPERATORS} == methods
