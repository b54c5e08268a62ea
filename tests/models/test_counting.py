import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.models.configs import get_config, list_models
from seesaw_keras.models.counting import activation_peak, count_parameters
from seesaw_keras.models.summaries import variants_table

# Measured with the PyTorch reference; the paper reports 146M, 526M and 221M. Other variants have no reference.
COUNTED = {
    "share": (145_762_816, 1_370_176),
    "shuffle": (145_762_816, 1_370_176),
    "dw_v1": (526_478_592, 4_246_944),
    "dw_v2": (526_478_592, 4_246_944),
    "mobilefacenet": (221_161_984, 1_192_960),
}


@pytest.fixture(scope="module")
def infos():
    return {variant: seesaw_keras.model_info(variant) for variant in list_models()}


def by_hand(config):
    """Returns multiply-adds and parameters computed from the configuration alone, block by block."""
    madds = parameters = 0
    side = config.image_size // 2

    def conv(inputs, outputs, kernel, pixels, bn=True):
        nonlocal madds, parameters
        madds += pixels * kernel * inputs * outputs
        parameters += kernel * inputs * outputs + (2 * outputs if bn else 0)

    def pointwise(inputs, outputs, pixels):
        if config.uneven:
            conv(inputs // 4, outputs // 4, 1, pixels)
            conv(inputs * 3 // 4, outputs * 3 // 4, 1, pixels)
        else:
            conv(inputs, outputs, 1, pixels)

    def block(inputs, inner, outputs, pixels_in, pixels_out, squeezed):
        nonlocal parameters
        pointwise(inputs, inner, pixels_in)
        conv(1, inner, 9, pixels_out)
        if squeezed:
            conv(inner, inner // 4, 1, 1, bn=False)
            conv(inner // 4, inner, 1, 1, bn=False)
            parameters += (inner // 4 + inner) * config.se_bias + inner // 4 * (config.se_activation == "prelu")
        pointwise(inner, outputs, pixels_out)

    conv(3, config.stem, 9, side**2)
    conv(1, config.stem, 9, side**2)
    channels = config.stem
    for number, stage in enumerate(config.stages, 1):
        squeezed = number in config.squeeze_excite
        block(channels, stage.down_expansion, stage.channels, side**2, (side // 2) ** 2, squeezed)
        if config.mapping:
            conv(channels, stage.channels, 1, (side // 2) ** 2)
        side, channels = side // 2, stage.channels
        for _ in range(stage.blocks):
            block(channels, stage.expansion, channels, side**2, side**2, squeezed)
    conv(channels, config.head, 1, side**2)
    conv(1, config.head, side**2, 1)
    conv(config.head, config.embedding_size, 1, 1)
    return madds, parameters


@pytest.mark.slow
@pytest.mark.parametrize("variant", list_models())
def test_counts_match_the_reference_and_a_manual_count(infos, variant):
    info = infos[variant]
    assert (info.madds, info.parameters) == by_hand(get_config(variant))
    assert (info.madds, info.parameters) == COUNTED.get(variant, (info.madds, info.parameters))
    assert sum(kind.madds for kind in info.kinds) == info.madds
    assert sum(kind.parameters for kind in info.kinds) == info.parameters


def test_activation_peak_matches_a_manual_count():
    x = keras.Input((4, 4, 2))  # 32 entries, live until the addition
    y = keras.layers.Conv2D(6, 1)(x)  # 96
    y = keras.layers.BatchNormalization()(y)  # in place
    z = keras.layers.ReLU()(y)  # in place
    z = keras.layers.Conv2D(2, 1)(z)  # 32: the peak is 32 + 96 + 32
    z = keras.layers.Add()([x, z])
    assert activation_peak(keras.Model(x, z)) == 32 + 96 + 32


def test_dense_kernel_and_bias_are_counted():
    model = keras.Sequential([keras.layers.Dense(5, input_shape=(7,))])
    assert seesaw_keras.count_madds(model) == 35
    assert count_parameters(model) == 40


def test_build_docstring_lists_the_counts(infos):
    for variant, info in infos.items():
        assert f"| {variant} | {info.parameters:,} | {info.madds:,} |" in seesaw_keras.build.__doc__


def test_tables_list_every_variant_and_count(infos):
    table = variants_table(list(infos.values()))
    for variant, info in infos.items():
        line = next(line for line in table.splitlines() if line.startswith(variant))
        assert f"{info.parameters:,}" in line
        assert f"{info.madds:,}" in line
        assert not info.published or all(
            f"{accuracy:.2f}" in line
            for name, accuracy in info.published.accuracy.items()
            if name in ("LFW", "CFP-FP", "AgeDB-30", "CPLFW", "CALFW")
        )
    summary = seesaw_keras.summary(seesaw_keras.build("share", input_shape=(16, 16, 3), width=0.25))
    assert summary.startswith("seesaw_share: 16x16x3 -> 512")
    assert np.all([line == line.rstrip() for line in (table + summary).splitlines()])
