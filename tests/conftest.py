"""Shared fixtures, and the folders to collect: those whose requirements this machine meets."""

import fcntl
import importlib.util
import math
import os
import re
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import shallow_variants

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # results must not depend on the machine

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"
DATA = Path(__file__).resolve().parent / "data"

collect_ignore = [] if SHARED.is_dir() else ["shared"]
if importlib.util.find_spec("torch") is None:
    collect_ignore.append("with_torch")
if importlib.util.find_spec("tensorflow_addons") is None:
    collect_ignore.append("with_addons")
if importlib.util.find_spec("tensorflow_serving") is None:
    collect_ignore += ["serving", "cli/test_export_serving.py"]
if shutil.which(os.environ.get("CXX", "g++")) is None:
    collect_ignore += ["tflite/micro/test_templates.py", "tflite/micro/test_with_tflite_micro.py"]
elif "TFLITE_MICRO_DIR" not in os.environ:  # a checkout of TFLite Micro with its library built
    collect_ignore.append("tflite/micro/test_with_tflite_micro.py")


def pytest_collection_finish():
    """Splits the CPU into two logical ones for `MirroredStrategy`: a process can do so only before its first operation.

    Operations go to the first unless told otherwise. TensorFlow is not imported for the tests that do without.
    """
    if tf := sys.modules.get("tensorflow"):
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture
def two_cpus():
    """A `MirroredStrategy` of two replicas; the test's module has to import TensorFlow at its top."""
    import tensorflow as tf

    # Not by collective operations: all strategies of a process number them alike, and TensorFlow then refuses the
    # second strategy's where the shapes differ from those of the first ("Shape mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """Function: file name, function that returns bytes -> the bytes, computed by one of the workers for all of them."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "once"
    folder.mkdir(exist_ok=True)

    def get(name, make):
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = folder / name
            if not path.exists():
                path.write_bytes(make())
            return path.read_bytes()

    return get


@pytest.fixture(scope="module")
def one_block_per_stage():
    """Variants have one residual block per stage, from the first test that requests this to the end of its module."""
    from seesaw_keras.models import configs

    whole = dict(configs._REGISTRY)
    configs._REGISTRY.update(shallow_variants.one_block_per_stage(whole))
    yield
    configs._REGISTRY.update(whole)


@pytest.fixture(scope="session")
def tree():
    """Function: folder -> content of every file below it, hidden ones too, by its path."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def shared():
    """The folder with real faces and peers' models, beside the repository."""
    return SHARED


@pytest.fixture(scope="session")
def reference_facts():
    """Class name of the reference -> its embeddings and, under `<class>/names`, its parameters."""
    with np.load(DATA / "reference_embeddings.npz") as archive:
        return {name: archive[name] for name in archive.files}


def _reference_array(name, shape):
    """One parameter by the formula behind `reference_embeddings.npz`."""
    r = np.random.RandomState(zlib.crc32(name.encode()))
    parameter = name.rsplit(".", 1)[1]
    if parameter in ("running_mean", "bias"):
        values = r.normal(0, 0.1, shape)
    elif parameter == "running_var":
        values = r.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:
        values = r.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape)
    elif "unlinearity" in name or ".fc.1." in name:
        values = r.uniform(0.1, 0.4, shape)
    elif "project" in name:
        values = r.uniform(0.5, 0.8, shape)
    else:
        values = r.uniform(0.8, 1.2, shape)
    return values.astype(np.float32)


@pytest.fixture(scope="session")
def reference_arrays(reference_facts):
    """Function: class name of the reference -> all its parameters by name, by the formula."""

    def arrays(class_name):
        result = {}
        for entry in reference_facts[f"{class_name}/names"]:
            name, shape = str(entry).split(" ", 1)
            result[name] = _reference_array(name, tuple(int(side) for side in re.findall(r"\d+", shape)))
        return result

    return arrays


@pytest.fixture(scope="session")
def reference_images():
    """The two images behind `reference_embeddings.npz`: (2, 112, 112, 3) float32 in [-1, 1]."""
    pixels = np.random.RandomState(0).randint(0, 256, (2, 112, 112, 3))
    return ((pixels / 255 - 0.5) / 0.5).astype(np.float32)


@pytest.fixture
def keras_policy():
    """Function that sets the mixed-precision policy; float32 comes back at the end."""
    from seesaw_keras.api import keras

    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def pixel_network(tmp_path):
    """Returns a function that writes a .tflite whose embedding is its input, the pixels, and returns the path.

    By default it takes 8x8 images and is as `seesaw_keras.tflite.conversion` makes them, with a threshold of 0.5.
    """
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.conversion.interface import store_facts
    from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor

    def write(name="pixels.tflite", *, type="FLOAT32", size=(8, 8), own=True, **facts):
        quantization = Quantization(1 / 127.5, 0) if type == "INT8" else None
        length = 3 * size[0] * size[1]
        image = Tensor("image", (1, *size, 3), type, quantization)
        embedding = Tensor("embedding", (1, length), type, quantization)
        shape = Tensor.constant("shape", np.array([1, length], np.int32))
        model = flatbuffer.build(Operator("RESHAPE", [image, shape], [embedding], {"new_shape": (1, length)}))
        if own:
            store_facts(model, **{"threshold": 0.5, **facts})
        flatbuffer.write(tmp_path / name, model)
        return tmp_path / name

    return write


def _field(number, value):
    """One field of a protocol buffer: an integer, or bytes."""

    def varint(rest):
        return bytes([rest]) if rest < 128 else bytes([rest & 127 | 128]) + varint(rest >> 7)

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


@pytest.fixture(scope="session")
def onnx_mean_model():
    """An ONNX model by hand (onnx.proto): float32 (1, 3, 16, 16) to the mean of each channel."""

    def value(name, *shape):
        dims = b"".join(_field(1, _field(1, size)) for size in shape)
        return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))

    def node(kind, source, target):
        return _field(1, _field(1, source) + _field(2, target) + _field(4, kind))

    graph = node(b"GlobalAveragePool", b"image", b"mean") + node(b"Flatten", b"mean", b"row") + _field(2, b"g")
    graph += _field(11, value(b"image", 1, 3, 16, 16)) + _field(12, value(b"row", 1, 3))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13))
