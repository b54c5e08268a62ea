"""Drawing of hair, behind and in front of the head.

>>> from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL
>>> from seesaw_keras.data.synthetic.drawing.hair import draw_front_hair
>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> from seesaw_keras.data.synthetic.drawing.sketch import Sketch, View
>>> person = sample_identity(1)
>>> draw_front_hair(Sketch(View(person, NEUTRAL, size=112)), person, NEUTRAL)
"""

import numpy as np

from seesaw_keras.data.synthetic.drawing.conditions import Conditions
from seesaw_keras.data.synthetic.drawing.curves import at_depth, ellipse, points, ribbon, smooth, span
from seesaw_keras.data.synthetic.drawing.sketch import Sketch
from seesaw_keras.data.synthetic.person import Color, Identity, mix

__all__ = ["draw_back_hair", "draw_front_hair", "skull_arc"]

SKULL_CENTER = (0.0, -20.0, -15.0)
SKULL_HEIGHT = 50.0
LIGHT: Color = (255.0, 236.0, 206.0)
DARK: Color = (12.0, 8.0, 10.0)
STRANDS = 15


def skull_arc(sketch: Sketch, identity: Identity, volume: float, reach: float, count: int = 33) -> np.ndarray:
    """Returns the visible outline of the skull, from left over the top to right: (count, 3) in head coordinates.

    Args:
        sketch: the sketch whose view rotates the head.
        identity: the person.
        volume: distance of the outline from the skull, in template pixels.
        reach: angle in radians from the top to either end.
        count: number of points.
    """
    angles = reach * span(count)
    center = sketch.view.rotation @ np.array(SKULL_CENTER)
    width = identity.head.cheek + 1.0 + 0.8 * volume
    seen = np.empty((count, 3))
    seen[:, 0] = center[0] + width * np.sin(angles)
    seen[:, 1] = center[1] - (SKULL_HEIGHT + volume) * np.cos(angles)
    seen[:, 2] = center[2]
    return sketch.view.facing(seen)


def draw_back_hair(sketch: Sketch, identity: Identity) -> None:
    """Draws the skull with its hair, and long hair behind the neck."""
    hair = identity.hair
    if hair.style == "bald":
        sketch.fill(skull_arc(sketch, identity, 0.0, 2.6), identity.skin.color)
        return
    shade = mix(hair.color, DARK, 0.3)
    sketch.fill(skull_arc(sketch, identity, hair.volume, 2.2 if hair.length else 1.7), shade)
    if hair.length:
        width = identity.head.cheek + 3.0 + hair.volume
        half = [
            (0.0, -50.0),
            (width * 0.8, -45.0),
            (width, -10.0),
            (width * 1.04, 0.5 * hair.length - 10),
            (width, hair.length),
        ]
        outline = smooth(half + [(-x, y) for x, y in half[:0:-1]])
        sketch.fill(at_depth(outline, -12.0), mix(shade, DARK, 0.25))
    if hair.style == "curly":
        _curls(sketch, identity, shade)


def draw_front_hair(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws the hair in front of the head: locks at the sides, then the top with its strands."""
    hair = identity.hair
    if hair.style == "bald":
        return
    if hair.length:
        for side in (-1.0, 1.0):
            _lock(sketch, identity, conditions, side)
    line = _hairline(identity, conditions)
    on_head = sketch.view.lift(line, 1.5)
    arc = skull_arc(sketch, identity, hair.volume, 1.55 if hair.length else 1.42, count=len(line))
    sketch.fill(ribbon(arc, on_head), hair.color)
    if hair.style == "curly":
        _ringlets(sketch, identity, arc, on_head)
    else:
        _strands(sketch, identity, conditions, arc, on_head)


def _hairline(identity: Identity, conditions: Conditions) -> np.ndarray:
    """Returns the hairline on the forehead from the left temple to the right one, (n, 2)."""
    hair, head = identity.hair, identity.head
    top = -hair.line + 0.8 * conditions.tousled
    parting = hair.parting + 0.12 * conditions.tousled
    temple = head.temple * 0.97
    if hair.style == "fringe":
        rows = [(0.93, -16.0), (0.86, -29.0), (0.55, -37.0 + 0.4 * (50 + top)), (0.2, -37.5 + 0.4 * (50 + top))]
    else:
        rows = [(1.03, -17.0), (0.95, -30.0), (0.72, top + 4.5 - hair.recession), (0.3, top - 0.35 * hair.recession)]
    half = [(temple * x, y) for x, y in rows]
    corners = [(-x, y) for x, y in half] + [(0.0, half[-1][1])] + half[::-1]
    line = smooth(corners, closed=False)
    t = line[:, 0] / temple
    if hair.style == "swept":
        # The hairline rises on the side of the parting and falls over the forehead on the other.
        line[:, 1] += 7.5 * np.sign(parting) * -t * np.maximum(0.0, 1.0 - t * t) * 2.0
    elif hair.style == "parted":
        line[:, 1] += 13.0 * np.minimum(1.0, np.abs(t - 0.6 * parting)) ** 0.8 * np.maximum(0.0, 1.0 - t * t) ** 0.5
    elif hair.style == "fringe":
        line[:, 1] += (1.5 + hair.wave) * np.sin(9.0 * t + 3.0 * hair.parting + conditions.tousled)
    return line


def _lock(sketch: Sketch, identity: Identity, conditions: Conditions, side: float) -> None:
    """Draws the long hair on one side of the face."""
    hair, head = identity.hair, identity.head
    out = head.cheek + 4.0 + hair.volume
    inner = smooth(
        [
            (head.temple * 0.78, -44.0),
            (head.temple * 0.98, -28.0),
            (head.cheek - 2.0, -6.0),
            (head.jaw + 1.5, 18.0),
            (head.jaw + 1.0, hair.length),
        ],
        closed=False,
    )
    outer = smooth(
        [(head.temple * 0.82, -46.0), (out - 3.5, -28.0), (out, -4.0), (out + 1.5, 22.0), (out, hair.length)],
        closed=False,
    )
    inner[:, 0] += 1.8 * hair.wave * np.sin(0.22 * inner[:, 1] + conditions.tousled)
    outer[:, 0] += 2.2 * hair.wave * np.sin(0.22 * outer[:, 1] + 1.0 + conditions.tousled)

    def place(edge: np.ndarray) -> np.ndarray:
        return points(side * edge[:, 0], edge[:, 1], np.where(edge[:, 1] < -20.0, 12.0, 2.0))

    sketch.fill(ribbon(place(inner), place(outer)), mix(hair.color, DARK, 0.1))
    for share, tone, amount in ((0.2, DARK, 0.3), (0.45, LIGHT, 0.16), (0.7, DARK, 0.22), (0.85, LIGHT, 0.1)):
        sketch.line(place(inner + (outer - inner) * share), mix(hair.color, tone, amount), 1.0)


def _strands(sketch: Sketch, identity: Identity, conditions: Conditions, arc: np.ndarray, line: np.ndarray) -> None:
    """Draws strands from the top of the head, or from the parting, to the hairline."""
    hair = identity.hair
    ends = (np.arange(STRANDS) + 0.5) / STRANDS
    if hair.style in ("parted", "swept"):
        roots = 0.5 + 0.3 * hair.parting + 0.22 * (ends - 0.5)
    else:
        roots = 0.5 + (ends - 0.5) * 0.9 + 0.02 * conditions.tousled
    last = len(line) - 1
    start = arc[np.rint(np.clip(roots, 0.0, 1.0) * last).astype(int), None]
    stop = line[np.rint(ends * last).astype(int), None]
    bow = points((ends - roots) * 16.0, -6.0 * np.abs(ends - roots), np.full(STRANDS, 4.0))[:, None]
    t = np.linspace(0.0, 1.0, 5)[:, None]
    paths = start + (stop - start) * t + bow * (t * (1.0 - t))
    for first, tone, amount in ((0, LIGHT, 0.15), (1, DARK, 0.30), (2, LIGHT, 0.07)):
        sketch.lines(paths[first::3], mix(hair.color, tone, amount), 1.0)


def _curls(sketch: Sketch, identity: Identity, color: Color) -> None:
    """Draws the bumpy outline of curly hair."""
    arc = skull_arc(sketch, identity, identity.hair.volume, 1.75, count=17)
    disc = _disc(sketch, 1.0)
    for number, center in enumerate(arc):
        sketch.fill(center + disc * (6.0 + 1.5 * (number * 7 % 3)), color)


def _ringlets(sketch: Sketch, identity: Identity, arc: np.ndarray, line: np.ndarray) -> None:
    """Draws curls along the hairline and within the hair."""
    color = identity.hair.color
    disc = _disc(sketch, 1.0)
    for number in range(1, len(line) - 1, 3):
        sketch.fill(line[number] + disc * (3.2 + number * 5 % 3), color)
    inner = line[2:-2:3, None]
    outward = arc[2:-2:3, None] - inner
    for share, tone, amount in ((0.25, LIGHT, 0.10), (0.62, DARK, 0.25)):
        sketch.lines(inner + outward * share + 3.4 * disc[:8], mix(color, tone, amount), 1.0)


def _disc(sketch: Sketch, radius: float) -> np.ndarray:
    """Returns a circle facing the viewer, centered on the middle of the head, (10, 3)."""
    return sketch.view.facing(at_depth(ellipse(0.0, 0.0, radius, radius, 10), 0.0))
