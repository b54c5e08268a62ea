import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.api import keras
from seesaw_keras.models.layers import ChannelShuffle, ChannelSlice, HardSigmoid, HardSwish, Swish

ALL = [ChannelSlice(1, 3), ChannelShuffle(2), Swish(), HardSwish(), HardSigmoid()]


def images(channels=8, side=3, seed=0):
    return np.random.default_rng(seed).normal(0, 4, (2, side, side, channels)).astype(np.float32)


@given(groups=st.integers(1, 6), each=st.integers(1, 5), side=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_channel_shuffle_equals_the_loop_of_its_definition(groups, each, side):
    x = images(groups * each, side)
    y = np.asarray(ChannelShuffle(groups)(x))
    for group in range(groups):
        for i in range(each):
            np.testing.assert_array_equal(y[..., i * groups + group], x[..., group * each + i])


def test_channel_slice_equals_numpy():
    x = images()
    np.testing.assert_array_equal(ChannelSlice(2, 7)(x), x[..., 2:7])


def test_activations_equal_their_formulas_in_float64():
    x = images()
    wide = x.astype(np.float64)
    hard = np.clip(wide + 3, 0, 6) / 6
    np.testing.assert_allclose(Swish()(x), wide / (1 + np.exp(-wide)), atol=1e-6)
    np.testing.assert_allclose(HardSwish()(x), wide * hard, atol=1e-6)
    np.testing.assert_allclose(HardSigmoid()(x), hard, atol=1e-6)


@pytest.mark.parametrize("layer", ALL, ids=lambda layer: type(layer).__name__)
def test_layers_round_trip_and_infer_their_output_shape(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    x = images()
    np.testing.assert_array_equal(again(x), layer(x))
    assert tuple(layer.compute_output_shape((None, 3, 3, 8)))[1:] == tuple(layer(x).shape[1:])


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", [Swish, HardSwish, HardSigmoid, lambda **kw: ChannelShuffle(2, **kw)])
def test_layers_compute_in_the_dtype_of_their_policy(kind, dtype):
    y = kind(dtype=dtype)(images())
    assert y.dtype.name == dtype.removeprefix("mixed_")


def test_impossible_arguments_are_named():
    with pytest.raises(ValueError, match="0 <= start < stop"):
        ChannelSlice(3, 3)
    with pytest.raises(ValueError, match="beyond the input's 8 channels"):
        ChannelSlice(4, 9)(images())
    with pytest.raises(ValueError, match="are not a multiple of groups=3"):
        ChannelShuffle(3)(images())
