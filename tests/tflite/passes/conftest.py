"""Small graphs of the operators that face networks are made of, and what LiteRT's reference kernels make of them."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build, dumps
from seesaw_keras.tflite.runtimes import open_runtime

_SCALE, _ZERO_POINT = 0.05, 3  # of every value that is not of a fixed scale: concatenations want equal ones


class Net:
    """A graph that grows operator by operator. Each method returns what its last operator computes.

    Weights are random, and scaled such that values keep to about the same range.
    """

    def __init__(self, seed=0, size=4, channels=8, type="INT8"):
        self.r = np.random.RandomState(seed)
        self.type = type
        self.operators = []
        self.image = self.value((1, size, size, channels), "image")

    def value(self, shape, name=None, scale=_SCALE, zero_point=_ZERO_POINT):
        quantization = Quantization(scale, zero_point) if self.type == "INT8" else None
        return Tensor(name or f"value{len(self.operators)}", tuple(shape), self.type, quantization)

    def constant(self, shape, axis=0, scale=1.0):
        """Normally distributed numbers of a standard deviation, in int8 with a scale for each entry along an axis."""
        data = self.r.normal(0, scale, shape).astype(np.float32)
        name = f"constant{self.r.randint(1 << 30)}"
        if self.type != "INT8":
            return Tensor.constant(name, data)
        scales = np.abs(data).max(tuple(a for a in range(len(shape)) if a != axis)) / 127
        wide = scales.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        return Tensor.constant(name, np.rint(data / wide).astype(np.int8), Quantization(scales, 0, axis))

    def bias(self, given, weights, count):
        if self.type != "INT8":
            return self.constant((count,))
        scales = np.float32(given.quantization.scale) * weights.quantization.scales
        return Tensor.constant("bias", self.r.randint(-500, 500, count).astype(np.int32), Quantization(scales))

    def numbers(self, *entries):
        return Tensor.constant(f"numbers{self.r.randint(1 << 30)}", np.array(entries, np.int32))

    def add_operator(self, code, inputs, made, version=None, **options):
        self.operators.append(Operator(code, inputs, [made], options, version or 1 + (self.type == "INT8")))
        return made

    def conv(self, x, filters, kernel=1, activation="NONE", bias=True, padding="SAME", groups=1, stride=1):
        channels = x.shape[3] // groups
        weights = self.constant((filters, kernel, kernel, channels), 0, 1 / np.sqrt(kernel * kernel * channels))
        inputs = [x, weights, *([self.bias(x, weights, filters)] if bias else [])]
        made = self.value((1, *self.sides(x, kernel, padding, stride), filters))
        options = {"padding": padding, "fused_activation_function": activation, "stride_h": stride, "stride_w": stride}
        return self.add_operator("CONV_2D", inputs, made, 3, **options)

    def sides(self, x, kernel, padding, stride):
        return (-(-(side - (padding == "VALID") * (kernel - 1)) // stride) for side in x.shape[1:3])

    def depthwise(self, x, kernel=3, padding="SAME", stride=1):
        weights = self.constant((1, kernel, kernel, x.shape[3]), 3, 1 / kernel)
        bias = self.bias(x, weights, x.shape[3])
        made = self.value((1, *self.sides(x, kernel, padding, stride), x.shape[3]))
        options = {"padding": padding, "depth_multiplier": 1, "stride_h": stride, "stride_w": stride}
        return self.add_operator("DEPTHWISE_CONV_2D", [x, weights, bias], made, 3, **options)

    def dense(self, x, units):
        weights = self.constant((units, x.shape[-1]), 0, 1 / np.sqrt(x.shape[-1]))
        made = self.value((1, units))
        return self.add_operator("FULLY_CONNECTED", [x, weights, self.bias(x, weights, units)], made, 4)

    def unary(self, code, x, version=None):
        return self.add_operator(code, [x], self.value(x.shape), version)

    def logistic(self, x):
        return self.add_operator("LOGISTIC", [x], self.value(x.shape, scale=1 / 256, zero_point=-128))

    def binary(self, code, a, b):
        return self.add_operator(code, [a, b], self.value(max(a.shape, b.shape)))

    def swish(self, x):
        return self.binary("MUL", x, self.logistic(x))

    def prelu(self, x):
        slopes = self.constant((1, 1, x.shape[3]), 0, 0.3)  # of one scale
        return self.add_operator("PRELU", [x, slopes], self.value(x.shape), 1)

    def pad(self, x):
        made = self.value((1, x.shape[1] + 2, x.shape[2] + 2, x.shape[3]))
        return self.add_operator("PAD", [x, self.numbers([0, 0], [1, 1], [1, 1], [0, 0])], made)

    def mean(self, x):
        made = self.value((1, 1, 1, x.shape[3]))
        return self.add_operator("MEAN", [x, self.numbers(1, 2)], made, keep_dims=True)

    def squeeze_excite(self, x):
        inner = self.conv(self.mean(x), max(1, x.shape[3] // 4), activation="RELU")
        return self.binary("MUL", x, self.logistic(self.conv(inner, x.shape[3])))

    def reshape(self, x, shape):
        return self.add_operator("RESHAPE", [x, self.numbers(*shape)], self.value(shape), 1, new_shape=tuple(shape))

    def transpose(self, x, axes):
        return self.add_operator("TRANSPOSE", [x, self.numbers(*axes)], self.value([x.shape[a] for a in axes]))

    def shuffle(self, x, groups, flat=True):
        side, channels = x.shape[1], x.shape[3]
        spatial = (side * side,) if flat else (side, side)
        y = self.reshape(x, (1, *spatial, groups, channels // groups))
        last = len(y.shape) - 1
        return self.reshape(self.transpose(y, (*range(last - 1), last, last - 1)), x.shape)

    def cut(self, x, begin, end, rows=None):
        """Some channels, of the first rows or of all."""
        mask = 7 if rows is None else 5
        numbers = [self.numbers(0, 0, 0, begin), self.numbers(0, rows or 0, 0, end), self.numbers(1, 1, 1, 1)]
        made = self.value((1, rows or x.shape[1], x.shape[2], end - begin))
        made.quantization = x.quantization
        return self.add_operator("STRIDED_SLICE", [x, *numbers], made, begin_mask=mask, end_mask=mask)

    def split(self, x, *sizes):
        made = [self.value((*x.shape[:3], size), f"part{n}of{len(self.operators)}") for n, size in enumerate(sizes)]
        for part in made:
            part.quantization = x.quantization
        inputs = [x, self.numbers(*sizes), Tensor.constant("axis", np.int32(3))]
        self.operators.append(Operator("SPLIT_V", inputs, made, {"num_splits": len(sizes)}, 2))
        return made

    def join(self, *parts):
        made = self.value((*parts[0].shape[:3], sum(part.shape[3] for part in parts)))
        made.quantization = parts[0].quantization
        return self.add_operator("CONCATENATION", list(parts), made, axis=3)

    def pair(self, x, filters, cut=None):
        """The uneven pair: two convolutions of slices, concatenated."""
        cut = cut or x.shape[3] // 4
        narrow = self.conv(self.cut(x, 0, cut), filters // 4)
        return self.join(narrow, self.conv(self.cut(x, cut, x.shape[3]), filters - filters // 4))

    def block(self, x, expansion, groups=2):
        """Seesaw's residual block."""
        y = self.shuffle(self.swish(self.pair(x, expansion)), groups)
        y = self.squeeze_excite(self.swish(self.depthwise(y)))
        return self.binary("ADD", x, self.pair(y, x.shape[3]))

    def model(self, *outputs):
        return build(*self.operators, outputs=outputs or None)


@pytest.fixture(scope="session")
def new_net():
    """The class `Net`."""
    return Net


@pytest.fixture(scope="session")
def outputs():
    """Function: model -> by name, what LiteRT's reference kernels put out for a random input of fixed seed."""

    def run(model):
        (given,) = model.main.inputs
        r = np.random.RandomState(0)
        image = r.randint(-128, 128, given.shape) if given.type == "INT8" else r.normal(size=given.shape)
        made = open_runtime("reference", dumps(model)).invoke(image.astype(given.dtype))
        return {tensor.name: array for tensor, array in zip(model.main.outputs, made, strict=True)}

    return run


@pytest.fixture(scope="session")
def applied(outputs):
    """Function: model, passes -> how often each applied, after a proof that the outputs are the same as before."""

    def apply(model, *passes):
        before = outputs(model)
        counts = [change(model.main) for change in passes]
        after = outputs(model)
        assert list(after) == list(before)
        for name, array in before.items():
            if array.dtype == np.int8:
                np.testing.assert_array_equal(after[name], array)
            else:
                np.testing.assert_allclose(after[name], array, rtol=1e-5, atol=1e-5 * np.abs(array).max())
        return counts

    return apply


@pytest.fixture(scope="session")
def unchanged():
    """Function: model, pass -> asserts that the pass leaves it as it is."""

    def check(model, change):
        before = dumps(model)
        assert change(model.main) == 0
        assert dumps(model) == before

    return check


@pytest.fixture(scope="session")
def codes():
    """Function: model -> its operators."""
    return lambda model: [operator.code for operator in model.main.operators]
