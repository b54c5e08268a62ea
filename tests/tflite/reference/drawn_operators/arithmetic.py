"""Operators on single entries, along axes and within windows."""

import math

from drawn_operators.drawing import activation, data, image, ints, off, scale, sides, tie, value, zero_point
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor


def _shapes(r):
    """Two shapes that broadcast, and what they make."""
    shape = sides(r, r.randint(1, 4), 5)
    kind = r.choice(["same", "same", "channel", "last", "ones", "first"])
    other = {
        "same": shape,
        "channel": shape[-1:],
        "last": (1,) * (len(shape) - 1) + shape[-1:],
        "ones": tuple(side if r.random() < 0.5 else 1 for side in shape),
        "first": shape[:1] + (1,) * (len(shape) - 1),
    }[kind]
    return (shape, other, shape) if r.random() < 0.5 else (other, shape, shape)


def binary(r, code, type):
    first, second, made = _shapes(r)
    fused, z_scale = activation(r)
    z, x, y = value(r, "z", made, type, z_scale), value(r, "x", first, type), value(r, "y", second, type)
    if type == "INT8" and code == "MUL":
        x.quantization = Quantization(z_scale / y.quantization.scale / 60 * off(r), x.quantization.zero_point)
    elif type == "INT8":
        for tensor, reach in [(x, 12), (y, 8)]:
            tensor.quantization = Quantization(z_scale / 2 * off(r, 1, reach), tensor.quantization.zero_point)
    if type == "INT8" and code == "MUL":
        taken = x.quantization.scale * y.quantization.scale
        z.quantization = Quantization(tie(r, taken, z_scale, 255 * 255), z.quantization.zero_point)
    if r.random() < 0.2:
        y = Tensor.constant("y", data(r, second, type), y.quantization)
    options = {}
    if code in ("ADD", "SUB", "MUL") and type != "INT32":
        options["fused_activation_function"] = fused
    return Operator(code, [x, y], [z], options, 2 if type == "INT8" else 1)


def unary(r, code, type):
    shape = sides(r, r.randint(1, 4), 5)
    _, y_scale = activation(r, code)
    x, y = value(r, "x", shape, type), value(r, "y", shape, type, y_scale)
    if type == "INT8":
        far = 4 if code == "HARD_SWISH" else 12  # beyond that its 16 bits are not enough
        x.quantization = Quantization(y_scale * off(r, 1, far), x.quantization.zero_point)
        y.quantization = Quantization(tie(r, x.quantization.scale, y_scale), y.quantization.zero_point)
    return x, y


def rectifier(r, code, type):
    x, y = unary(r, code, type)
    options = {"alpha": r.uniform(-0.5, 1.5)} if code == "LEAKY_RELU" else {}
    return Operator(code, [x], [y], options, 1 if code in ("HARD_SWISH", "RELU_N1_TO_1") else 2)


def sigmoid(r, code, type):
    x, y = unary(r, code, type)
    if type == "INT8":
        x.quantization = Quantization(scale(r), zero_point(r))
        y.quantization = Quantization(1 / 256, -128) if code == "LOGISTIC" else Quantization(1 / 128)
    return Operator(code, [x], [y], {}, 2 if type == "INT8" else 1)


def prelu(r, code, type):
    x, y = unary(r, code, type)
    shape = tuple(side if r.random() < 0.5 else 1 for side in x.shape)
    shape = r.choice([shape, x.shape, (*(1,) * (len(x.shape) - 2), *x.shape[-1:])])
    slopes = Tensor.constant("a", data(r, shape, type), value(r, "a", shape, type, scale(r, 1 / 128)).quantization)
    if r.random() < 0.2:
        slopes.data = None
    return Operator(code, [x, slopes], [y])


def quantize(r, code, types):
    shape = sides(r, r.randint(1, 4), 5)
    taken, made = types.split()
    made_scale = scale(r, 0.02)
    bits = {"INT8": 8, "UINT8": 8, "INT16": 16, "INT32": 32}

    def tensor(name, type, scale):
        if type == "FLOAT32":
            return Tensor(name, shape, type)
        zero = zero_point(r, type) if type in ("INT8", "UINT8") else 0
        return Tensor(name, shape, type, Quantization(scale, zero))

    taken_scale = made_scale * 2.0 ** (bits[made] - bits.get(taken, 8)) * r.choice([1, off(r), off(r)])
    if taken != "FLOAT32":
        made_scale = tie(r, taken_scale, made_scale, 2.0 ** bits[taken] - 1)
    return Operator(code, [tensor("x", taken, taken_scale)], [tensor("y", made, made_scale)], version=2)


def dequantize(r, code, type):
    x = Tensor("x", sides(r, 2), type, Quantization(scale(r), zero_point(r, type) if type != "INT16" else 0))
    return Operator(code, [x], [Tensor("y", x.shape, "FLOAT32")], version=2)


def pool(r, code, type):
    size, strides = (r.randint(1, 4), r.randint(1, 4)), (r.randint(1, 3), r.randint(1, 3))
    x, padding = image(r, size, r.randint(1, 5), type), r.choice(["SAME", "VALID"])
    fused, y_scale = activation(r)
    if type == "INT8":
        x.quantization = Quantization(y_scale, x.quantization.zero_point)
    made = tuple(
        -(-side // s) if padding == "SAME" else (side - k) // s + 1
        for side, s, k in zip(x.shape[1:3], strides, size, strict=True)
    )
    y = Tensor("y", (x.shape[0], *made, x.shape[3]), type, x.quantization)
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "filter_height": size[0],
        "filter_width": size[1],
        "fused_activation_function": fused,
    }
    return Operator(code, [x], [y], options, 2 if type == "INT8" else 1)


def reduce(r, code, type):
    x, kept = value(r, "x", sides(r, r.randint(1, 4)), type), r.random() < 0.5
    rank = len(x.shape)
    axes = sorted(r.sample(range(rank), r.randint(1, rank)))
    made = [1 if axis in axes else side for axis, side in enumerate(x.shape) if kept or axis not in axes]
    y = value(r, "y", made, type)
    if type == "INT8":
        count = math.prod(x.shape[axis] for axis in axes)
        spread = r.choice([1, 1, 1 / math.sqrt(count)] if code == "MEAN" else [math.sqrt(count), count])
        made_scale = x.quantization.scale * spread * off(r)
        if code == "MEAN":
            made_scale = tie(r, x.quantization.scale / count, made_scale, 255 * count)
        y.quantization = Quantization(made_scale, y.quantization.zero_point)
    numbers = ints("axes", *(axis - rank if r.random() < 0.3 else axis for axis in axes))
    return Operator(code, [x, numbers], [y], {"keep_dims": kept}, 2 if type == "INT8" else 1)


def l2_normalization(r, code, type):
    x = value(r, "x", (*sides(r, r.randint(0, 3), 3), r.choice([1, 2, 16, 512])), type)
    y = Tensor("y", x.shape, type, Quantization(1 / 128) if type == "INT8" else None)
    return Operator(code, [x], [y], version=2 if type == "INT8" else 1)


def softmax(r, code, type):
    x = value(r, "x", (*sides(r, r.randint(0, 3), 3), r.choice([1, 2, 16, 511])), type)
    y = Tensor("y", x.shape, type, Quantization(1 / 256, -128) if type == "INT8" else None)
    return Operator(code, [x], [y], {"beta": r.choice([1.0, 1.0, 0.5, 3.0])}, 2 if type == "INT8" else 1)
