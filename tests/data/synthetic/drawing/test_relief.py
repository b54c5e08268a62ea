from dataclasses import replace

import numpy as np
import pytest

from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL, Light
from seesaw_keras.data.synthetic.drawing.relief import light_up
from seesaw_keras.data.synthetic.drawing.sketch import View
from seesaw_keras.data.synthetic.identity import sample_identity

PERSON = sample_identity(1)


def lit(light, share=255, size=112):
    conditions = replace(NEUTRAL, light=light)
    canvas = np.full((size, size, 4), (120, 110, 100, share), np.uint8)
    return light_up(canvas, View(PERSON, conditions, size=size), PERSON, conditions)


def test_the_backdrop_keeps_its_colors():
    canvas = np.random.default_rng(0).integers(0, 256, (80, 80, 4), np.uint8)
    canvas[..., 3] = 0
    planes = light_up(canvas, View(PERSON, NEUTRAL, size=80), PERSON, NEUTRAL)
    assert planes.shape == (3, 80, 80) and planes.dtype == np.float32
    assert (planes == canvas[..., :3].transpose(2, 0, 1)).all()


@pytest.mark.parametrize("direction", [(0.8, 0.0, 0.6), (-0.8, 0.0, 0.6)])
def test_the_side_facing_the_lamp_is_brighter(direction):
    left, right = np.split(lit(Light(direction=direction, ambient=0.2))[:, 30:90], 2, axis=2)
    assert (right.mean() > 1.3 * left.mean()) == (direction[0] > 0)
    assert (left.mean() > 1.3 * right.mean()) == (direction[0] < 0)


def test_light_from_everywhere_has_no_direction():
    first, second = (lit(Light(direction=d, ambient=1.0)) for d in ((0.8, 0.0, 0.6), (0.0, -0.8, 0.6)))
    assert np.abs(first - second).max() < 1e-3


def test_colors_of_the_light_are_factors():
    white = lit(Light(ambient=1.0))
    warm = lit(Light(ambient=1.0, surroundings=(1.2, 1.0, 0.8)))
    # At the rim, away from the blush of the cheeks.
    assert np.allclose((warm / white)[:, 4, 4], (1.2, 1.0, 0.8), atol=2e-3)


def test_twice_the_size_is_the_same_light():
    light = Light(direction=(0.6, -0.3, 0.74), ambient=0.3)
    small, large = lit(light, size=112), lit(light, size=224)
    reduced = large.reshape(3, 112, 2, 112, 2).mean((2, 4))
    assert np.abs(small - reduced).mean() < 1.0


def test_the_highlight_needs_gloss():
    dull = replace(PERSON, skin=replace(PERSON.skin, gloss=0.0))
    glossy = replace(PERSON, skin=replace(PERSON.skin, gloss=1.0))
    canvas = np.full((112, 112, 4), 100, np.uint8)
    conditions = replace(NEUTRAL, light=Light(ambient=0.3))
    pictures = [light_up(canvas, View(who, conditions, size=112), who, conditions) for who in (dull, glossy)]
    difference = pictures[1] - pictures[0]
    assert difference.min() > -1e-3 and difference.max() > 5
