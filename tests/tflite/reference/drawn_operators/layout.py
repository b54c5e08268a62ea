"""Operators that move entries."""

import math

import numpy as np

from drawn_operators.drawing import data, ints, sides, value
from seesaw_keras.tflite.flatbuffer import Operator, Tensor


def reshape(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 4)), type)
    made = [*x.shape]
    r.shuffle(made)
    made[:2] = r.choice([made[:2], [math.prod(made[:2])]])
    y = Tensor("y", made, type, x.quantization)
    return Operator(code, [x, ints("shape", *made)], [y], {"new_shape": tuple(made)})


def squeeze(r, code, type):
    sides_ = [*sides(r, r.randint(1, 3))]
    index = r.randint(0, len(sides_))
    x = value(r, "x", [*sides_[:index], 1, *sides_[index:]], type)
    return Operator(code, [x], [Tensor("y", sides_, type, x.quantization)], {"squeeze_dims": (index,)})


def expand_dims(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 3)), type)
    index = r.randint(0, len(x.shape))
    made = (*x.shape[:index], 1, *x.shape[index:])
    axis = Tensor.constant("axis", np.int32(index))
    return Operator(code, [x, axis], [Tensor("y", made, type, x.quantization)])


def transpose(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 5), 5), type)
    order = r.sample(range(len(x.shape)), len(x.shape))
    y = Tensor("y", tuple(x.shape[axis] for axis in order), type, x.quantization)
    return Operator(code, [x, ints("order", *order)], [y], version=2)


def concatenation(r, code, type):
    shape, count = [*sides(r, r.randint(1, 4), 5)], r.randint(1, 5)
    axis, x = r.randrange(len(shape)), value(r, "x", shape, type)
    inputs, total = [], 0
    for number in range(count):
        side = r.randint(1, 5)
        shape[axis], total = side, total + side
        tensor = Tensor(f"x{number}", shape, type, x.quantization)
        if number and r.random() < 0.2:
            tensor = Tensor.constant(f"x{number}", data(r, shape, type), x.quantization)
        inputs.append(tensor)
    shape[axis] = total
    y = Tensor("y", shape, type, x.quantization)
    return Operator(code, inputs, [y], {"axis": axis - len(shape) if r.random() < 0.3 else axis}, 2)


def split(r, code, type):
    parts, shape = r.randint(1, 4), [*sides(r, r.randint(1, 4), 5)]
    axis = r.randrange(len(shape))
    x = value(r, "x", [side * parts if a == axis else side for a, side in enumerate(shape)], type)
    made = [Tensor(f"y{part}", shape, type, x.quantization) for part in range(parts)]
    return Operator(code, [Tensor.constant("axis", np.int32(axis)), x], made, {"num_splits": parts}, 2)


def split_v(r, code, type):
    sizes, shape = sides(r, r.randint(1, 4), 5), [*sides(r, r.randint(1, 4), 5)]
    axis = r.randrange(len(shape))
    x = value(r, "x", [sum(sizes) if a == axis else side for a, side in enumerate(shape)], type)
    made = [
        Tensor(f"y{part}", [size if a == axis else side for a, side in enumerate(shape)], type, x.quantization)
        for part, size in enumerate(sizes)
    ]
    given = [-1 if r.random() < 0.5 and part == 0 else size for part, size in enumerate(sizes)]
    numbers = [ints("sizes", *given), Tensor.constant("axis", np.int32(axis))]
    return Operator(code, [x, *numbers], made, {"num_splits": len(sizes)}, 2 if type == "INT8" else 1)


def slice_(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 4)), type)
    begins = [r.randrange(side) for side in x.shape]
    made = [r.randint(1, side - begin) for side, begin in zip(x.shape, begins, strict=True)]
    sizes = [-1 if begin + size == side else size for begin, size, side in zip(begins, made, x.shape, strict=True)]
    y = Tensor("y", made, type, x.quantization)
    return Operator(code, [x, ints("begin", *begins), ints("size", *sizes)], [y], version=2)


def strided_slice(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 4)), type)
    begins, ends, strides, made = [], [], [], []
    masks = dict.fromkeys(("begin_mask", "end_mask", "shrink_axis_mask"), 0)
    for axis, side in enumerate(x.shape):
        begin, end, stride = r.randint(-side, side - 1), r.randint(-side - 1, side + 1), r.choice([1, 1, 2, 3, -1, -2])
        left_out = r.random() < 0.3, r.random() < 0.3
        covered = range(side)[
            slice(*(None if out else at for out, at in zip(left_out, (begin, end), strict=True)), stride)
        ]
        if r.random() < 0.2:
            masks["shrink_axis_mask"] |= 1 << axis
            stride = 1
        elif len(covered) == 0:
            begin, end, stride = 0, side, 1
            made.append(side)
        else:
            masks["begin_mask"] |= left_out[0] << axis
            masks["end_mask"] |= left_out[1] << axis
            made.append(len(covered))
        begins.append(begin), ends.append(end), strides.append(stride)
    y = Tensor("y", made, type, x.quantization)
    numbers = [ints("begin", *begins), ints("end", *ends), ints("strides", *strides)]
    return Operator(code, [x, *numbers], [y], masks, 2)


def gather(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 4), 5), type)
    axis, shape = r.randrange(len(x.shape)), sides(r, r.randint(0, 2), 4)
    g = np.random.RandomState(r.getrandbits(32))
    numbers = Tensor.constant("numbers", g.randint(0, x.shape[axis], shape).astype(np.int32))
    y = Tensor("y", x.shape[:axis] + shape + x.shape[axis + 1 :], type, x.quantization)
    return Operator(code, [x, numbers], [y], {"axis": axis}, 2)


def pad(r, code, type):
    x = value(r, "x", sides(r, r.randint(1, 4), 5), type)
    pads = [(r.randint(0, 3), r.randint(0, 3)) for _ in x.shape]
    made = [side + sum(pad) for side, pad in zip(x.shape, pads, strict=True)]
    y = Tensor("y", made, type, x.quantization)
    inputs = [x, ints("pads", *pads)]
    if code == "PADV2":
        inputs.append(Tensor.constant("value", data(r, (1,), type), x.quantization))
    return Operator(code, inputs, [y], version=2)


def pack(r, code, type):
    x, count = value(r, "x", sides(r, r.randint(1, 3), 5), type), r.randint(1, 4)
    axis = r.randint(0, len(x.shape))
    inputs = [Tensor(f"x{number}", x.shape, type, x.quantization) for number in range(count)]
    y = Tensor("y", (*x.shape[:axis], count, *x.shape[axis:]), type, x.quantization)
    return Operator(code, inputs, [y], {"axis": axis, "values_count": count}, 2)
