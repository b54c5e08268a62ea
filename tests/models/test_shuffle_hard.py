"""`shuffle_hard` against an independent float64 computation of pshashk/seesaw-facenet in NumPy, in its own names."""

import numpy as np
import pytest

import seesaw_keras

SIDE = 16
EPSILON = 1e-5
# position in the reference's sequence -> (inputs, inner, outputs, residual blocks; 0 for a strided block)
STAGES = {4: (64, 128, 64, 0), 5: (64, 128, 64, 4), 6: (64, 256, 128, 0), 7: (128, 256, 128, 6), 8: (128, 512, 128, 0)}
STAGES[9] = (128, 256, 128, 2)


def blocks():
    """Yields (prefix, inputs, inner, outputs, strides) of every block."""
    for position, (inputs, inner, outputs, count) in STAGES.items():
        if count:
            yield from ((f"{position}.{i}.layers", inputs, inner, outputs, 1) for i in range(count))
        else:
            yield str(position), inputs, inner, outputs, 2


@pytest.fixture(scope="module")
def arrays():
    r = np.random.default_rng(0)
    made = {}

    def conv_bn(name, outputs, inputs, kernel):
        made[f"{name}.0.weight"] = r.normal(0, np.sqrt(2 / (inputs * kernel**2)), (outputs, inputs, kernel, kernel))
        made[f"{name}.1.weight"] = r.uniform(0.8, 1.2, outputs)
        made[f"{name}.1.bias"] = r.normal(0, 0.1, outputs)
        made[f"{name}.1.running_mean"] = r.normal(0, 0.1, outputs)
        made[f"{name}.1.running_var"] = r.uniform(0.5, 1.5, outputs)

    conv_bn("0", 64, 3, 3)
    conv_bn("2", 64, 1, 3)
    for prefix, inputs, inner, outputs, _ in blocks():
        for part, a, b in (("0", inputs, inner), ("6", inner, outputs)):
            conv_bn(f"{prefix}.{part}.small", b // 4, a // 4, 1)
            conv_bn(f"{prefix}.{part}.big", b * 3 // 4, a * 3 // 4, 1)
        conv_bn(f"{prefix}.3", inner, 1, 3)
        made[f"{prefix}.5.layers.0.weight"] = r.normal(0, np.sqrt(2 / inner), (inner // 4, inner))
        made[f"{prefix}.5.layers.2.weight"] = r.normal(0, np.sqrt(8 / inner), (inner, inner // 4))
    conv_bn("10", 512, 128, 1)
    conv_bn("12", 512, 1, SIDE // 16)
    made["14.weight"] = r.normal(0, np.sqrt(2 / 512), (512, 512))
    made |= {"15.weight": r.uniform(0.8, 1.2, 512), "15.bias": r.normal(0, 0.1, 512)}
    made |= {"15.running_mean": r.normal(0, 0.1, 512), "15.running_var": r.uniform(0.5, 1.5, 512)}
    return made


def expected(arrays, x):
    """Embeddings of (height, width, 3) float64 images' batch, by loops over kernel taps."""

    def scale(name):
        return arrays[f"{name}.weight"] / np.sqrt(arrays[f"{name}.running_var"] + EPSILON)

    def norm(y, name):
        return (y - arrays[f"{name}.running_mean"]) * scale(name) + arrays[f"{name}.bias"]

    def conv(y, name, strides=1):
        kernel = arrays[f"{name}.0.weight"]
        outputs, inputs, size, _ = kernel.shape
        pad = (size - 1) // 2
        y = np.pad(y, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        side = (y.shape[1] - size) // strides + 1
        result = 0
        for i in range(size):
            for j in range(size):
                window = y[:, i : i + side * strides : strides, j : j + side * strides : strides]
                tap = kernel[:, :, i, j]
                depthwise = inputs == 1 and outputs == y.shape[-1]
                result = result + (window * tap[:, 0] if depthwise else window @ tap.T)
        return norm(result, f"{name}.1")

    def hard_sigmoid(y):
        return np.clip(y + 3, 0, 6) / 6

    def uneven(y, name):
        quarter = y.shape[-1] // 4
        small, big = conv(y[..., :quarter], f"{name}.small"), conv(y[..., quarter:], f"{name}.big")
        return np.concatenate([small, big], axis=-1)

    def block(y, prefix, strides):
        z = uneven(y, f"{prefix}.0")
        z = z * hard_sigmoid(z)
        half = z.shape[-1] // 2
        z = np.stack([z[..., :half], z[..., half:]], axis=-1).reshape(z.shape)
        z = conv(z, f"{prefix}.3", strides)
        z = z * hard_sigmoid(z)
        squeezed = np.maximum(z.mean((1, 2)) @ arrays[f"{prefix}.5.layers.0.weight"].T, 0)
        z = z * hard_sigmoid(squeezed @ arrays[f"{prefix}.5.layers.2.weight"].T)[:, None, None]
        z = uneven(z, f"{prefix}.6")
        return z + y if strides == 1 else z

    y = np.maximum(conv(x, "0", 2), 0)
    y = np.maximum(conv(y, "2"), 0)
    for prefix, *_, strides in blocks():
        y = block(y, prefix, strides)
    y = conv(y, "10")
    y = conv(y * hard_sigmoid(y), "12")[:, 0, 0]
    y = norm(y @ arrays["14.weight"].T, "15")
    return y / np.linalg.norm(y, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def model():
    return seesaw_keras.build("shuffle_hard", input_shape=(SIDE, SIDE, 3))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(-1, 1, (2, SIDE, SIDE, 3))


def test_embeddings_equal_the_independent_computation(arrays, model, images):
    assert seesaw_keras.load_reference_weights(model, arrays) == []
    np.testing.assert_allclose(model(images.astype(np.float32)), expected(arrays, images), atol=1e-5)


def test_a_checkpoint_with_folded_batch_normalization_is_the_same_network(arrays, model, images):
    """The released TorchScript has `0.weight` and `0.bias` in the place of convolution and normalization."""
    folded = dict(arrays)
    for bn in [name.removesuffix(".running_var") for name in arrays if name.endswith(".1.running_var")]:
        gamma, beta, mean, variance = (
            folded.pop(f"{bn}.{p}") for p in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        conv = bn.removesuffix("1") + "0"
        folded[f"{conv}.weight"] = folded[f"{conv}.weight"] * scale[:, None, None, None]
        folded[f"{conv}.bias"] = beta - mean * scale
    seesaw_keras.load_reference_weights(model, folded)
    np.testing.assert_allclose(model(images.astype(np.float32)), expected(arrays, images), atol=1e-5)


def test_weights_of_the_other_implementation_are_refused(model, reference_arrays):
    with pytest.raises(ValueError, match=r"unexpected: conv_23\.se\.0\.fc\.0\.bias"):
        seesaw_keras.load_reference_weights(model, reference_arrays("seesaw_shuffleFaceNet"))
