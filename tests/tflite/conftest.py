"""Small networks and what they convert to, made once a session: a conversion takes seconds."""

import functools

import numpy as np
import pytest

SMALL = {"input_shape": (32, 32, 3), "width": 0.25, "embedding_size": 16}


@pytest.fixture(scope="module", autouse=True)
def shallow(one_block_per_stage):
    """All networks in this folder have one block per stage."""


@pytest.fixture(scope="session")
def faces():
    """Sixteen synthetic faces: uint8 (16, 32, 32, 3)."""
    from seesaw_keras.data.representative import representative_images

    return representative_images(None, 16, side=32)


@pytest.fixture(scope="session")
def network(faces):
    """Function: variant, activation -> its quarter-width 32x32 network of seed 0, with batch statistics of `faces`."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.models.configs import get_config
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.tflite.conversion.interface import to_float

    @functools.cache
    def build(variant, activation, stages):  # shallow and whole networks of one name differ in `stages`
        keras.utils.set_random_seed(0)
        model = seesaw_keras.build(variant, activation=activation, **SMALL)
        set_batch_statistics(model, to_float(faces))
        return model

    def current(variant, activation=None):
        config = get_config(variant)
        return build(variant, activation or config.activation, config.stages)

    return current


@pytest.fixture(scope="session")
def converted(network, faces, once):
    """Function: variant, activation, arguments of `convert` -> the flatbuffer's bytes."""
    from seesaw_keras.models.configs import get_config
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.conversion.convert import convert

    @functools.cache
    def run(variant, activation, **arguments):
        name = "-".join([variant, str(activation), *(f"{key}={value}" for key, value in sorted(arguments.items()))])
        return once(
            f"{name}.tflite",
            lambda: flatbuffer.dumps(convert(network(variant, activation), images=faces, **arguments)),
        )

    return lambda variant, activation=None, **arguments: run(
        variant, activation or get_config(variant).activation, **arguments
    )


@pytest.fixture(scope="session")
def embed():
    """Function: flatbuffer, uint8 images -> real outputs of LiteRT's reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    given_as = {
        np.int8: lambda image: (image.astype(np.int16) - 128).astype(np.int8),
        np.uint8: lambda image: image,
        np.float32: lambda image: ((image - 127.5) / 127.5).astype(np.float32),
    }

    def run(flatbuffer, images):
        interpreter = Interpreter(
            model_content=flatbuffer, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
        )
        interpreter.allocate_tensors()
        given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        rows = []
        for image in images:
            interpreter.set_tensor(given["index"], given_as[given["dtype"]](image)[None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(made["index"])[0].astype(np.float32))
        scale, zero_point = made["quantization"]
        return (np.stack(rows) - zero_point) * (scale or 1)

    return run


@pytest.fixture(scope="session")
def both():
    """Function: model, inputs -> its computed tensors in LiteRT's reference kernels, and those in TFLite Micro."""
    pytest.importorskip("tflite_micro")
    from seesaw_keras.tflite.runtimes import open_runtime

    def run(model, *inputs):
        sides = (open_runtime(name, model).tensors(*inputs) for name in ("reference", "tflm"))
        return tuple({model.main.tensors[n]: value for n, value in side.items()} for side in sides)

    return run


@pytest.fixture(scope="session")
def doctored():
    """Function: flatbuffer, an operator's number -> LiteRT's reference kernels, but that operator goes wrong.

    What it puts out is added to, by an ADD that writes the tensor in its place. With `alone=False` that does not happen
    in a model of the operator alone; with `kept=False`, only where tensors share memory.
    """
    from seesaw_keras.tflite import flatbuffer
    from seesaw_keras.tflite.flatbuffer import Operator, Tensor
    from seesaw_keras.tflite.runtimes import LiteRTReference

    def runtime(data, number, *, alone=True, kept=True, equals=""):
        victim = flatbuffer.loads(data).main.operators[number].outputs[0].name

        class Doctored(LiteRTReference):
            title = "doctored"

            def _open(self, data, keep):
                model = flatbuffer.loads(data)
                operators = model.main.operators
                spoiled = [n for n, operator in enumerate(operators) if operator.outputs[0].name == victim]
                if spoiled and (alone or len(operators) > 1) and (kept or not keep):
                    operator = operators[spoiled[0]]
                    (made,) = operator.outputs
                    right = Tensor("right", made.shape, made.type, made.quantization)
                    off = Tensor.constant("off", np.full(made.shape, 40, np.int8), made.quantization)
                    operator.outputs[:] = [right]
                    model.main.tensors += [right, off]
                    operators.insert(spoiled[0] + 1, Operator("ADD", [right, off], [made], version=2))
                return super()._open(flatbuffer.dumps(model), keep)

        Doctored.equals = equals
        return Doctored(data)

    return runtime
