"""A network that is easy to compute by hand, as the export of it in a folder, and a compiler."""

import os
import subprocess

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import store_facts
from seesaw_keras.tflite.flatbuffer import ModelFile, Operator, Quantization, Tensor

WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def flat():
    """Function: type of the input, zero point, facts -> a network's bytes, whose embedding is its 4x5 image in int8."""

    def model(input_type="INT8", zero_point=0, **facts):
        unit = Quantization(1 / 127.5, zero_point)
        image, embedding = (Tensor(name, shape, "INT8", unit) for name, shape in (("x", (1, 4, 5, 3)), ("y", (1, 60))))
        shape = Tensor.constant("shape", np.array([1, 60], np.int32))
        operators = [Operator("RESHAPE", [image, shape], [embedding], {"new_shape": (1, 60)})]
        if input_type == "UINT8":
            pixels = Tensor("pixels", image.shape, "UINT8", Quantization(1 / 127.5, zero_point + 128))
            operators.insert(0, Operator("QUANTIZE", [pixels], [image]))
        made = flatbuffer.build(*operators)
        store_facts(made, **{"threshold": 0.35, **facts})
        return flatbuffer.dumps(made)

    return model


@pytest.fixture(scope="session")
def exported(flat, tmp_path_factory):
    """Function: arguments of `flat` -> the folder of its export."""
    pytest.importorskip("tflite_micro")
    from seesaw_keras.tflite.micro import export, write_sources

    def folder(*arguments):
        path = tmp_path_factory.mktemp("export") / "sources"
        write_sources(path, export(ModelFile.of(flat(*arguments), "flat.tflite")))
        return path

    return folder


@pytest.fixture(scope="session")
def compiled():
    """Function: sources, program, flags -> the program, compiled without a warning."""

    def build(sources, program, *flags):
        command = [os.environ.get("CXX", "g++"), *WARNINGS, *map(str, flags), *map(str, sources), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return program

    return build
