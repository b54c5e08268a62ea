"""What all drawn operators are made of: values, scales, shapes.

Every function takes a `random.Random`; hypothesis has one whose choices shrink. Most draws are as in networks: outputs
fill the range of their integers, so that one step more or less is seen. Some are far off, and some at the extremes.
"""

import math

import numpy as np

from seesaw_keras.tflite.flatbuffer import Quantization, Tensor

_LIMITS = {"RELU6": 6, "RELU_N1_TO_1": 1}


def data(r, shape, type="INT8"):
    """Entries of all magnitudes, or extremes only, or one value."""
    g = np.random.RandomState(r.getrandbits(32))
    if type == "FLOAT32":
        numbers = g.normal(size=shape)
        return (np.rint(8 * numbers) / 8 if r.random() < 1 / 4 else numbers).astype(np.float32)  # eighths make ties
    dtype = np.dtype(type.lower())
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    kind = r.choice([*["any"] * 8, "extreme", "one"])
    if kind == "extreme":
        return g.choice(np.array([low, high], dtype), shape)
    if kind == "one":
        return np.full(shape, g.randint(low, high + 1), dtype)
    return g.randint(low, high + 1, shape).astype(dtype)


def off(r, near=1.0, far=12.0):
    """A factor not far from 1, in one of eight draws maybe very far; a power of two in others, which makes ties."""
    kind = r.randrange(8)
    if kind < 2:
        return 2.0 ** r.randint(-2, 2)
    reach = far if kind == 2 else near
    return 2 ** r.uniform(-reach, reach)


def scale(r, middle=0.05):
    """A scale around the middle, sometimes a power of two, sometimes far off."""
    number = middle * off(r, 3, 36)
    return float(np.float32(2.0 ** round(math.log2(number)) if r.random() < 1 / 4 else number))


def tie(r, taken, made, largest=255):
    """The scale of an output, or one near to it by which an integer is half a step, but for the last bit of factors.

    Args:
        r: random numbers.
        taken: scale of the integers that the kernel multiplies by its factor.
        made: scale of the output.
        largest: of these integers.
    """
    integer = r.randint(1, max(1, int(largest)))
    steps = math.floor(integer * taken / made)
    return float(np.float32(taken * integer / (steps + 0.5))) if r.random() < 1 / 2 and steps < 255 else made


def activation(r, name=None):
    """An activation, and a scale for the output, mostly one by which the activation's limits can be seen."""
    name = name or r.choice(["NONE", "NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
    if name in _LIMITS and r.random() < 0.8:
        return name, float(np.float32(_LIMITS[name] / r.uniform(20, 200)))
    return name, scale(r)


def zero_point(r, type="INT8"):
    low, high = (-128, 127) if type == "INT8" else (0, 255)
    return r.choice([low, high, (low + high + 1) // 2, *(r.randint(low, high) for _ in range(5))])


def value(r, name, shape, type="INT8", scale_=None):
    """A tensor that is computed."""
    if type not in ("INT8", "UINT8"):
        return Tensor(name, shape, type)
    return Tensor(name, shape, type, Quantization(scale_ or scale(r), zero_point(r, type)))


def ints(name, *entries):
    return Tensor.constant(name, np.array(entries, np.int32))


def sides(r, count, most=7):
    return tuple(r.randint(1, most) for _ in range(count))


def image(r, least, channels, type):
    """An image not smaller than what a window covers."""
    height, width = (side + r.randint(0, 5) for side in least)
    return value(r, "x", (r.choice([1, 1, 2]), height, width, channels), type)
