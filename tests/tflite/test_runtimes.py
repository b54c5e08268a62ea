"""Every runtime computes what the operators mean, hands out every tensor, and refuses what does not fit."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.costs import activation_peak
from seesaw_keras.tflite.flatbuffer import FlatbufferError, ModelFile, Operator, Quantization, Tensor
from seesaw_keras.tflite.runtimes import RUNTIMES, available_runtimes, open_runtime

INSTALLED = available_runtimes()
needs_micro = pytest.mark.skipif("tflm" not in INSTALLED, reason="the extra `micro` is not installed")


def doubled(image):
    """What `doubling` computes, and what it computes on the way."""
    twice = np.clip(2 * image.astype(int), -128, 127)
    return twice, twice.max(axis=(1, 2), keepdims=True)


@pytest.fixture(scope="module")
def doubling():
    """Two operators whose integers are known: x + x, and the maximum of each channel."""
    image, twice = (Tensor(name, (1, 4, 4, 3), "INT8", Quantization(0.5)) for name in ("image", "twice"))
    most = Tensor("most", (1, 1, 1, 3), "INT8", Quantization(0.5))
    pool = {"filter_height": 4, "filter_width": 4, "padding": "VALID"}
    return flatbuffer.build(
        Operator("ADD", [image, image], [twice], version=2), Operator("MAX_POOL_2D", [twice], [most], pool, 2)
    )


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(-128, 128, (5, 4, 4, 3)).astype(np.int8)


@pytest.mark.parametrize("name", INSTALLED)
def test_integers_are_those_of_the_definition(name, doubling, images):
    runtime = open_runtime(name, doubling)
    kept = [runtime.invoke(image[None])[0] for image in images]
    for image, made in zip(images, kept, strict=True):
        twice, most = doubled(image[None])
        np.testing.assert_array_equal(made, most)
        tensors = runtime.tensors(image[None])
        numbers = {tensor.name: number for number, tensor in enumerate(runtime.model.main.tensors)}
        assert tensors.keys() == {numbers["twice"], numbers["most"]}
        np.testing.assert_array_equal(tensors[numbers["twice"]], twice)
        np.testing.assert_array_equal(tensors[numbers["most"]], most)
    rows = runtime.run(images)
    assert (rows.shape, rows.dtype) == ((5, 1, 1, 3), np.int8)
    np.testing.assert_array_equal(rows, np.concatenate(kept))


@pytest.mark.parametrize("name", INSTALLED)
def test_a_network_gives_the_same_with_and_without_its_tensors(name, converted, faces):
    runtime = open_runtime(name, converted("shuffle"), threads=2)
    given = (faces[:3].astype(np.int16) - 128).astype(np.int8)
    rows = runtime.run(given)
    graph = runtime.model.main
    assert len(np.unique(rows)) > 10
    for row, image in zip(rows, given, strict=True):
        tensors = runtime.tensors(image[None])
        assert {graph.tensors[number] for number in tensors} == set(graph.producers())
        for number, value in tensors.items():
            assert (value.shape, value.dtype) == (graph.tensors[number].shape, graph.tensors[number].dtype)
        np.testing.assert_array_equal(tensors[graph.tensors.index(graph.outputs[0])][0], row)


@pytest.mark.parametrize("name", INSTALLED)
def test_models_come_as_files_bytes_and_objects(name, doubling, images, tmp_path):
    flatbuffer.write(tmp_path / "model.tflite", doubling)
    path = tmp_path / "model.tflite"
    for source in (path, str(path), path.read_bytes(), doubling, ModelFile.of(path)):
        np.testing.assert_array_equal(open_runtime(name, source).run(images), doubled(images)[1])


@pytest.mark.parametrize("name", INSTALLED)
def test_what_does_not_fit_is_refused(name, doubling, images, tmp_path):
    runtime = open_runtime(name, doubling)
    for wrong in (images[:1].astype(np.uint8), images[0], images[:2], images[:1, :3]):
        with pytest.raises(ValueError, match=r"model: input 'image': expected int8 \(1, 4, 4, 3\), got "):
            runtime.invoke(wrong)
    with pytest.raises(ValueError, match="expected 1 inputs, got 2"):
        runtime.invoke(images[:1], images[:1])
    (tmp_path / "cut.tflite").write_bytes(flatbuffer.dumps(doubling)[:-40])
    with pytest.raises(FlatbufferError, match=r"cut\.tflite: "):
        open_runtime(name, tmp_path / "cut.tflite")


def test_only_networks_of_one_input_run_on_batches(images):
    left, right, total = (Tensor(name, (1, 4, 4, 3), "INT8", Quantization(0.5)) for name in ("left", "right", "total"))
    runtime = open_runtime("reference", flatbuffer.build(Operator("ADD", [left, right], [total], version=2)))
    np.testing.assert_array_equal(
        runtime.invoke(images[:1], images[1:2])[0], np.clip(images[:1].astype(int) + images[1:2], -128, 127)
    )
    with pytest.raises(ValueError, match="expected one input and one output, got 2 and 1"):
        runtime.run(images)


def test_unknown_names_list_the_known_ones(doubling):
    with pytest.raises(ValueError, match=f"unknown runtime 'gpu': .* All: {', '.join(RUNTIMES)}"):
        open_runtime("gpu", doubling)


class TestMicro:
    @pytest.mark.slow
    @needs_micro
    @pytest.mark.parametrize("variant", ["shuffle", "mobilefacenet"])
    def test_arena_is_the_smallest_that_suffices(self, variant, converted):
        from tflite_micro import runtime

        from seesaw_keras.native import quiet_native_stderr

        data = converted(variant)
        arena = open_runtime("tflm", data).arena
        assert arena.planned + arena.persistent <= arena.total
        assert activation_peak(flatbuffer.loads(data).main) <= arena.planned
        runtime.Interpreter.from_bytes(data, arena_size=arena.total).invoke()
        with quiet_native_stderr(), pytest.raises(RuntimeError):
            runtime.Interpreter.from_bytes(data, arena_size=arena.total - 16)

    @pytest.mark.slow
    def test_a_crash_in_an_arena_that_is_too_small_is_too_small(self, doubling, monkeypatch):
        """As TFLite Micro's of October 2026 in some arenas of a network with hard swish."""
        opened = open_runtime("tflm", doubling)
        make, wanted = opened._interpreter, opened.arena.total + 160

        def crash(data, arena, keep=False):
            if arena < wanted:
                os.kill(os.getpid(), signal.SIGKILL)
            return make(data, arena, keep)

        monkeypatch.setattr(opened, "_interpreter", crash)
        del opened.arena
        assert opened.arena.total == wanted

    @needs_micro
    def test_says_why_it_refuses(self, capfd):
        image, real = Tensor("half", (1, 4), "FLOAT16"), Tensor("real", (1, 4), "FLOAT32")
        model = flatbuffer.build(Operator("DEQUANTIZE", [image], [real], version=3))
        with pytest.raises(ValueError, match=r"TFLite Micro cannot run it: .*Node DEQUANTIZE .* failed to prepare"):
            open_runtime("tflm", model)
        assert capfd.readouterr().err == ""

    def test_names_its_extra_when_absent(self, doubling, monkeypatch):
        monkeypatch.setitem(sys.modules, "tflite_micro", None)
        assert "tflm" not in available_runtimes()
        with pytest.raises(ImportError, match=r"TFLite Micro is not installed: pip install 'seesaw_keras\[micro\]'"):
            open_runtime("tflm", doubling)


def test_no_tensorflow_and_no_keras(doubling, tmp_path):
    flatbuffer.write(tmp_path / "model.tflite", doubling)
    code = (
        "import sys; from seesaw_keras.tflite.runtimes import available_runtimes, open_runtime\n"
        f"for name in available_runtimes(): open_runtime(name, {str(tmp_path / 'model.tflite')!r})\n"
        "assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
