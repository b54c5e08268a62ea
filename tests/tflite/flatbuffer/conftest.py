"""What the tests of flatbuffers share: a network with one of everything that face networks are made of."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Signature, Tensor, build


def _network() -> Model:
    r = np.random.RandomState(0)

    def value(name, shape, scale=0.1, zero_point=-1):
        return Tensor(name, shape, "INT8", Quantization(scale, zero_point))

    def weights(name, shape, axis):
        scales = r.uniform(0.01, 0.02, shape[axis])
        return Tensor.constant(name, r.randint(-127, 128, shape).astype(np.int8), Quantization(scales, 0, axis))

    def bias(name, channels):
        return Tensor.constant(name, r.randint(-99, 99, channels).astype(np.int32), Quantization([0.002] * channels))

    def numbers(name, *entries):
        return Tensor.constant(name, np.array(entries, np.int32))

    image, stem = value("image", (1, 6, 6, 3), 0.5, 3), value("stem", (1, 6, 6, 8))
    first, second, total = (value(name, (1, 6, 6, 4)) for name in ("first", "second", "total"))
    padded, depthwise = value("padded", (1, 8, 8, 4)), value("depthwise", (1, 3, 3, 4))
    pairs, swapped = value("pairs", (1, 6, 6, 2, 2)), value("swapped", (1, 6, 6, 2, 2))
    mean, flat, embedding = value("mean", (1, 2, 2)), value("flat", (1, 36)), value("embedding", (1, 5))
    real = Tensor("real", (1, 5), "FLOAT32")
    model = build(
        Operator("CONV_2D", [image, weights("w", (8, 3, 3, 3), 0), bias("b", 8)], [stem], {"padding": "SAME"}, 3),
        Operator("SPLIT", [Tensor.constant("axis", np.int32(3)), stem], [first, second], {"num_splits": 2}),
        Operator("ADD", [first, second], [total], {"fused_activation_function": "RELU6"}),
        Operator("RESHAPE", [total, numbers("shape", 1, 6, 6, 2, 2)], [pairs], {"new_shape": (1, 6, 6, 2, 2)}),
        Operator("TRANSPOSE", [pairs, numbers("order", 0, 1, 2, 4, 3)], [swapped]),
        Operator("MEAN", [swapped, numbers("rows and columns", 1, 2)], [mean]),
        Operator("PAD", [first, numbers("pads", [0, 0], [1, 1], [1, 1], [0, 0])], [padded]),
        Operator(
            "DEPTHWISE_CONV_2D",
            [padded, weights("dw", (1, 3, 3, 4), 3), bias("db", 4)],
            [depthwise],
            {"padding": "VALID", "stride_h": 2, "stride_w": 2, "depth_multiplier": 1},
            3,
        ),
        Operator("RESHAPE", [depthwise, numbers("flatten", 1, 36)], [flat]),
        Operator("FULLY_CONNECTED", [flat, weights("fw", (5, 36), 0), None], [embedding], version=5),
        Operator("DEQUANTIZE", [embedding], [real], version=2),
        outputs=[real, mean],
    )
    model.description = "a network"
    model.metadata = {"note": b"hello", "empty": b""}
    model.signatures = [Signature("serving_default", {"image": image}, {"embedding": real}, model.main)]
    return model


@pytest.fixture
def network():
    """A fresh int8 network of eleven operators: (1, 6, 6, 3) int8 in, (1, 5) float32 and (1, 2, 2) int8 out."""
    return _network()


@pytest.fixture
def litert_outputs():
    """Function: a file's bytes -> outputs of LiteRT's reference kernels for random inputs of a fixed seed."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    def outputs(data):
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        interpreter.allocate_tensors()
        r = np.random.RandomState(0)
        for entry in interpreter.get_input_details():
            values = (
                r.randint(0, 127, entry["shape"]) if entry["dtype"] != np.float32 else r.normal(size=entry["shape"])
            )
            interpreter.set_tensor(entry["index"], values.astype(entry["dtype"]))
        interpreter.invoke()
        return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]

    return outputs
