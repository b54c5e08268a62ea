"""Networks of every kind become flatbuffers; int8 ones hold integers alone."""

import contextlib
import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.compression import quantize_aware
from seesaw_keras.models.configs import list_models
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.convert import TYPES, convert, input_shape, load_saved_model, weights_sha256
from seesaw_keras.tflite.conversion.interface import read_facts, to_float

# Dense layers are 1x1 convolutions, because FULLY_CONNECTED is not the same integers in every runtime; the second row
# is what shapes that are not static leave.
UNWANTED = {"FULLY_CONNECTED", "QUANTIZE", "DEQUANTIZE", "L2_NORMALIZATION"} | {
    *("SHAPE", "PACK", "BROADCAST_TO", "WHILE", "CUSTOM")
}


def cosines(left, right):
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def export(model, folder):
    with contextlib.redirect_stdout(io.StringIO()):  # Keras lists every variable
        model.export(str(folder))
    return load_saved_model(folder)


def stages():
    """A network of three layers, whose conversion takes a second, for 8x8 images."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, strides=2, name="stem_conv")(image)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = keras.layers.Conv2D(4, 1, name="embedding_conv")(x)
    return keras.Model(image, keras.layers.Flatten(name="embedding")(x), name="stages")


@pytest.fixture
def eight(faces):
    """Middles of faces, 8x8."""
    return faces[:, 8:16, 8:16]


@pytest.mark.parametrize(("type", "least"), [("float32", 0.99999), ("float16", 0.999), ("dynamic", 0.98)])
def test_float_networks_embed_as_keras_does(type, least, network, converted, embed, faces):
    expected = network("mobilefacenet")(to_float(faces)).numpy()
    assert cosines(embed(converted("mobilefacenet", type=type), faces), expected).min() > least


def test_int8_embeds_nearly_as_keras_does(network, converted, embed, faces):
    """Random weights amplify rounding, here more and there less: most images' closeness is what can be asked."""
    expected = network("mobilefacenet")(to_float(faces)).numpy()
    assert np.median(cosines(embed(converted("mobilefacenet"), faces), expected)) > 0.9


@pytest.mark.parametrize("type", TYPES)
def test_interface_is_one_image_to_one_embedding(type, converted):
    interpreter = Interpreter(model_content=converted("mobilefacenet", type=type))
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    dtype = np.int8 if type == "int8" else np.float32
    assert (given["name"], given["shape"].tolist(), given["dtype"]) == ("image", [1, 32, 32, 3], dtype)
    assert (made["name"], made["shape"].tolist(), made["dtype"]) == ("embedding", [1, 16], dtype)
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["embedding"]}}
    runner = interpreter.get_signature_runner()
    assert runner(image=np.zeros((1, 32, 32, 3), dtype))["embedding"].shape == (1, 16)


@pytest.mark.parametrize("variant", list_models())
def test_every_variant_becomes_integers_alone(variant, converted):
    graph = flatbuffer.loads(converted(variant)).main
    assert {tensor.type for tensor in graph.tensors} == {"INT8", "INT32"}
    assert not {operator.code for operator in graph.operators} & UNWANTED
    for operator in graph.operators:
        if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights = operator.inputs[1]
            assert weights.quantization.scales.size == operator.outputs[0].shape[-1]
            assert not weights.quantization.zero_points.any()


def test_dense_layers_become_convolutions(eight):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.Dense(24, activation="relu6")(keras.layers.Flatten()(x))
    graph = convert(keras.Model(image, keras.layers.Dense(5)(x)), images=eight).main
    assert [operator.code for operator in graph.operators] == ["CONV_2D", "RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE"]
    assert [tensor.shape for tensor in graph.outputs] == [(1, 5)]


@pytest.mark.slow
def test_containers_do_not_matter(network, converted, faces, tmp_path):
    saved = export(network("mobilefacenet"), tmp_path / "saved")
    assert flatbuffer.dumps(convert(saved, images=faces)) == converted("mobilefacenet")


@pytest.mark.slow
def test_quantization_aware_networks_bring_their_ranges(eight, tmp_path):
    aware = quantize_aware(stages(), to_float(eight))
    model = convert(aware)
    graph = model.main
    assert {tensor.type for tensor in graph.tensors} == {"INT8", "INT32"}
    given = graph.inputs[0].quantization
    assert (given.scale, given.zero_point) == (np.float32(1 / 127.5), 0)
    assert flatbuffer.dumps(convert(export(aware, tmp_path / "saved"))) == flatbuffer.dumps(model)
    with pytest.raises(ValueError, match="can be converted only to int8, not to float32"):
        convert(aware, type="float32")


@pytest.mark.slow
def test_two_fresh_processes_write_the_same_bytes():
    code = (
        "import sys, seesaw_keras\n"
        "from seesaw_keras.api import keras\n"
        "from seesaw_keras.data.representative import representative_images\n"
        "from seesaw_keras.tflite.conversion.convert import convert\n"
        "from seesaw_keras.tflite.flatbuffer import dumps\n"
        "keras.utils.set_random_seed(0)\n"
        "network = seesaw_keras.build('shuffle', input_shape=(16, 16, 3), width=0.1, embedding_size=8)\n"
        "sys.stdout.buffer.write(dumps(convert(network, images=representative_images(None, 4, side=16))))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": s})
        for s in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert first[4:8] == b"TFL3"
    assert first == second


def test_facts_are_in_the_file(network, converted):
    facts = read_facts(flatbuffer.loads(converted("mobilefacenet")))
    assert facts["package_version"] == seesaw_keras.__version__
    assert (facts["type"], facts["normalized"], facts["preprocessing"]) == ("int8", False, "pixel - 128")
    arrays = [weight.numpy() for weight in network("mobilefacenet").weights]
    digests = sorted(hashlib.sha256(str(a.shape).encode() + a.tobytes()).hexdigest() for a in arrays)
    assert facts["weights_sha256"] == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert weights_sha256(reversed(arrays)) == facts["weights_sha256"]
    assert weights_sha256([*arrays[:-1], arrays[-1] + 1]) != facts["weights_sha256"]


class TestNormalization:
    def test_is_left_out_of_a_network_that_has_it(self, network, converted):
        assert network("mobilefacenet").layers[-1].name == "unit_embedding"
        graph = flatbuffer.loads(converted("mobilefacenet", type="float32")).main
        assert graph.operators[-1].code == "RESHAPE"

    @pytest.mark.slow
    @pytest.mark.parametrize("type", ["int8", "float32"])
    def test_is_put_at_the_end_of_one_that_lacks_it(self, type, embed, eight):
        unit = convert(stages(), type=type, images=eight, normalize=True)
        assert unit.main.operators[-1].code == "L2_NORMALIZATION"
        assert read_facts(unit)["normalized"]
        plain = embed(flatbuffer.dumps(convert(stages(), type=type, images=eight)), eight)
        expected = plain / np.linalg.norm(plain, axis=1, keepdims=True)
        np.testing.assert_allclose(
            embed(flatbuffer.dumps(unit), eight), expected, atol=1e-5 if type == "float32" else 1.5 / 128
        )


class TestBadArguments:
    def test_types(self):
        with pytest.raises(ValueError, match=r"unknown type 'int4': .* All: int8, float32"):
            convert(stages(), type="int4")
        with pytest.raises(ValueError, match="'uint8' requires type int8"):
            convert(stages(), type="float32", input_type="uint8")

    def test_calibration_images(self, faces, eight):
        with pytest.raises(ValueError, match="int8 requires calibration images"):
            convert(stages())
        for wrong in (faces, eight[:0], to_float(eight)):
            with pytest.raises(ValueError, match=r"the network expects uint8 \(n, 8, 8, 3\)"):
                convert(stages(), images=wrong)

    def test_other_interfaces(self):
        image = keras.Input((None, None, 3))
        with pytest.raises(ValueError, match=r"expected \(batch, height, width, 3\) of fixed size"):
            convert(keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)), type="float32")
        image = keras.Input((8, 8, 3))
        with pytest.raises(ValueError, match=r"expected \(batch, length\)"):
            convert(keras.Model(image, keras.layers.Conv2D(4, 1)(image)), type="float32")
        with pytest.raises(ValueError, match="expected one output"):
            convert(keras.Model(image, [keras.layers.Flatten()(image)] * 2), type="float32")

    def test_other_precisions(self, keras_policy):
        keras_policy("mixed_bfloat16")
        with pytest.raises(ValueError, match="stem_conv computes in bfloat16"):
            convert(stages(), type="float32")

    def test_what_stays_in_float(self, eight):
        image = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 8)(image)
        model = keras.Model(image, keras.layers.Flatten()(keras.layers.Activation("elu")(x)))
        with pytest.raises(ValueError, match="are still float"):
            convert(model, images=eight)

    def test_saved_models(self, tmp_path):
        with pytest.raises(ValueError, match="absent: TensorFlow cannot load it"):
            load_saved_model(tmp_path / "absent")
        tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
        with pytest.raises(ValueError, match="empty: no signature serving_default; available: none"):
            load_saved_model(tmp_path / "empty")


def test_input_shape_is_that_of_the_images(tmp_path):
    model = stages()
    assert input_shape(model) == (8, 8, 3)
    assert input_shape(export(model, tmp_path / "saved")) == (8, 8, 3)
