"""Drawing of occlusions: sunglasses, mask, cap, hand, object.

>>> from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL
>>> from seesaw_keras.data.synthetic.drawing.covers import draw_cover
>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> from seesaw_keras.data.synthetic.drawing.sketch import Sketch, View
>>> person = sample_identity(1)
>>> draw_cover(Sketch(View(person, NEUTRAL, size=112)), person, NEUTRAL)
"""

from seesaw_keras.data.synthetic.drawing.conditions import Conditions
from seesaw_keras.data.synthetic.drawing.curves import at_depth, ellipse, points, ribbon, smooth, span
from seesaw_keras.data.synthetic.drawing.features import draw_glasses
from seesaw_keras.data.synthetic.drawing.hair import skull_arc
from seesaw_keras.data.synthetic.drawing.sketch import Sketch
from seesaw_keras.data.synthetic.person import Identity, mix

__all__ = ["draw_cover"]

SHADOW = (20.0, 18.0, 24.0)


def draw_cover(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws the occlusion named by `conditions.cover`, if any."""
    draw = {
        "": lambda *_: None,
        "sunglasses": _sunglasses,
        "mask": _mask,
        "cap": _cap,
        "hand": _hand,
        "object": _object,
    }[conditions.cover]
    draw(sketch, identity, conditions)


def _sunglasses(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    draw_glasses(sketch, identity, lens=mix(SHADOW, conditions.cover_color, 0.15))


def _mask(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """A surgical mask over nose and mouth."""
    head = identity.head
    color = mix(conditions.cover_color, (200, 215, 225), 0.6)
    half = [
        (0.0, -7.0),
        (14.0, -4.0),
        (head.cheek - 3.0, -1.0),
        (head.jaw + 1.0, head.jaw_height),
        (head.chin, head.length + 1.0),
    ]
    bottom = [(0.0, head.length + 4.0)]
    outline = smooth(half + bottom + [(-x, y) for x, y in half[:0:-1]])
    sketch.fill(outline, color, relief=3.0)
    t = span(11)
    for height in (8.0, 16.0, 24.0):
        fold = points(0.85 * head.jaw * t, height + 2.0 * (1 - t * t))
        sketch.line(fold, mix(color, SHADOW, 0.2), 0.9, relief=3.0)


def _cap(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """A cap with its peak over the forehead."""
    color = conditions.cover_color
    arc = skull_arc(sketch, identity, identity.hair.volume * 0.5 + 3.0, 1.35, count=25)
    t = span(25)
    edge = points(identity.head.temple * 1.05 * t, -37.0 - 4.0 * (1 - t * t))
    sketch.fill(ribbon(arc, sketch.view.lift(edge, 2.0)), color)
    peak = points(identity.head.temple * 0.9 * t, -40.0 + 9.0 * (1 - t * t) ** 0.6)
    sketch.fill(ribbon(points(0.9 * edge[:, 0], edge[:, 1] - 1.0), peak), mix(color, SHADOW, 0.4), relief=12.0)


def _hand(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Fingers on a cheek."""
    side = 1.0 if conditions.cover_place[0] > 0.5 else -1.0
    skin = identity.skin.color
    edge = mix(skin, (150, 50, 40), 0.3)
    for finger in range(4):
        x, y = 30.0 + 6.5 * finger, 12.0 - 16.0 * conditions.cover_place[1] + 4.0 * abs(finger - 1.5)
        outline = smooth([(x - 3.6, 70.0), (x - 3.6, y + 4.0), (x, y), (x + 3.6, y + 4.0), (x + 3.6, 70.0)]) * (
            side,
            1.0,
        )
        index = at_depth(outline, 34.0)
        sketch.fill(index, mix(skin, edge, 0.15))
        sketch.line(index, edge, 0.8)


def _object(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """An out-of-focus object that reaches in from the edge of the image."""
    across, down = conditions.cover_place
    x = (46.0 if across > 0.5 else -46.0) * (0.75 + 0.5 * abs(across - 0.5))
    outline = ellipse(x, -50.0 + 100.0 * down, 24.0, 30.0, 24)
    sketch.fill(at_depth(outline, 40.0), conditions.cover_color, lit=140)
