"""`seesaw compress`: its output folder is complete, also after interruptions."""

import json

import pytest


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The file of a network of a few layers, for 16x16 images."""
    from seesaw_keras.api import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, use_bias=False, name="stem_conv")(image)
    x = layers.ReLU(name="stem_act")(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.Conv2D(32, 1, use_bias=False, name="stage1_conv")(x)
    x = layers.ReLU(name="stage1_act")(layers.BatchNormalization(name="stage1_bn")(x))
    x = layers.Conv2D(16, x.shape[1], use_bias=False, name="embedding_conv")(x)
    x = layers.Flatten(name="embedding")(layers.BatchNormalization(name="embedding_bn")(x))
    model = keras.Model(image, layers.UnitNormalization(name="unit_embedding")(x), name="small")
    path = tmp_path_factory.mktemp("network") / "model.keras"
    model.save(path)
    return path


def command(model, out, *arguments):
    data = ["--data", "synthetic:16x4@16", "--verify", "synthetic:40@16", "--set", "batch_size=16"]
    return ["compress", "--model", str(model), "--out", str(out), *data, *map(str, arguments)]


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: network, output folder, arguments -> the finished command."""
    return lambda *arguments: seesaw(*command(*arguments))


@pytest.fixture(scope="module")
def interrupted(interrupt, network, tmp_path_factory):
    """Pruning and quantization, interrupted in the second stage, and the command that started it."""
    out = tmp_path_factory.mktemp("compression") / "out"
    line = command(network, out, "--stage", "prune+quantize", "--sparsity", "0.75", "--steps", 60)
    code, errors = interrupt(line, lambda: list(out.glob("quantize/checkpoints/step-*/state.json")))
    return out, line, code, errors


@pytest.mark.slow
def test_ctrl_c_prints_no_traceback_and_the_same_command_resumes(interrupted, seesaw):
    out, line, code, errors = interrupted
    assert code == 1 and errors.splitlines()[-1] == "compress: interrupted"
    assert not (out / "after.tflite").exists()
    pruned = (out / "prune" / "model.keras").stat().st_mtime_ns
    done = seesaw(*line)
    assert done.returncode == 0, done.stderr
    assert "| int8, compressed |" in done.stdout
    assert (out / "prune" / "model.keras").stat().st_mtime_ns >= pruned
    record = json.loads((out / "report.json").read_text())
    assert list(record["networks"]) == ["float", "pruned", "int8, after training", "int8, compressed"]
    assert record["networks"]["float"]["cosine"]["mean"] == pytest.approx(1, abs=1e-6)
    assert record["agreement"]["good"]
    zeros = record["networks"]["int8, compressed"]["zeros"]
    kernels = {"stage1": 16 * 32, "embedding/conv_2d": 32 * 49 * 16}
    total = sum(zeros[name] * size for name, size in kernels.items()) / sum(kernels.values())
    assert total == pytest.approx(0.75, abs=0.02) and zeros["stem"] < 0.1
    after, before = (record["networks"][f"int8, {name}"] for name in ("compressed", "after training"))
    assert after["gzipped"] < 0.75 * before["gzipped"]
    assert (out / "after.tflite").stat().st_size == after["bytes"]
    assert (out / "quantize" / "saved_model" / "saved_model.pb").exists()


@pytest.mark.slow
def test_channels_go_and_the_choice_is_kept(run, network, tmp_path):
    arguments = ("--stage", "prune", "--pattern", "channels", "--steps", 8)
    done = run(network, tmp_path, *arguments, "--sparsity", "0.3")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "report.json").read_text())
    sizes = [record["networks"][f"int8, {name}"]["bytes"] for name in ("compressed", "after training")]
    assert sizes[0] < 0.9 * sizes[1]
    other = run(network, tmp_path, *arguments, "--sparsity", "0.5")
    assert other.returncode == 1
    assert "pruning.json: was written with other settings" in other.stderr.splitlines()[-1]


def test_unsupported_networks_are_rejected_in_one_line(run, network, tmp_path):
    done = run(tmp_path / "none.keras", tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "none.keras: not a file, a folder or a variant" in done.stderr.splitlines()[-1]
    done = run(network, tmp_path, "--sparsity", "1.5")
    assert done.returncode == 1 and "--sparsity" in done.stderr
