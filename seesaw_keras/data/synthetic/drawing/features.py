"""Drawing of facial features: head, eyes, brows, nose, mouth, beard, glasses.

>>> from seesaw_keras.data.synthetic.drawing.conditions import NEUTRAL
>>> from seesaw_keras.data.synthetic.drawing.features import draw_face
>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> from seesaw_keras.data.synthetic.drawing.sketch import Sketch, View
>>> person = sample_identity(1)
>>> draw_face(Sketch(View(person, NEUTRAL, size=112)), person, NEUTRAL)
"""

from functools import lru_cache

import numpy as np

from seesaw_keras.data.synthetic.drawing.conditions import Conditions
from seesaw_keras.data.synthetic.drawing.curves import at_depth, ellipse, points, ribbon, smooth, span
from seesaw_keras.data.synthetic.drawing.sketch import Sketch, mouth_corner
from seesaw_keras.data.synthetic.person import Color, Head, Identity, mix

__all__ = ["draw_ear", "draw_face", "draw_glasses", "draw_head", "draw_neck"]

BLACK: Color = (20.0, 14.0, 14.0)
FLUSH: Color = (150.0, 50.0, 40.0)  # darker skin in folds is also redder
IRIS_RINGS = (1.0, 0.8, 0.42)  # dark edge, iris and pupil: fractions of the radius
RINGS = ((1.0, -4.0), (0.93, 16.0), (0.78, 29.0))  # outline of the head at three depths: scale factor, z


@lru_cache(maxsize=256)
def _head_rings(head: Head) -> np.ndarray:
    """Returns the outline of the head at several depths, (n, 3), read-only."""
    half = [
        (0.0, -66.0),
        (head.temple * 0.66, -58.0),
        (head.temple, -34.0),
        (head.cheek, -9.0),
        (head.jaw * 0.45 + head.cheek * 0.55, head.jaw_height * 0.35),
        (head.jaw, head.jaw_height),
        (head.chin * 1.15, head.length - 4.0),
        (head.chin * 0.45, head.length),
    ]
    outline = smooth(half + [(-x, y) for x, y in half[:0:-1]])
    below = outline[:, 1] > 0
    rings = []
    for factor, z in RINGS:
        # The chin is in front of the ears: closer to the viewer the outline narrows less below than above.
        narrowed = outline * np.column_stack(
            (np.full(len(outline), factor), np.where(below, 0.5 + 0.5 * factor, factor))
        )
        rings.append(at_depth(narrowed, z))
    together = np.concatenate(rings)
    together.setflags(write=False)
    return together


def draw_neck(sketch: Sketch, identity: Identity) -> None:
    """Draws the neck, in the shadow of the chin."""
    width = 0.72 * identity.head.jaw + 3.0
    outline = np.array([(-width, 10, -8), (width, 10, -8), (width * 1.1, 75, -12), (-width * 1.1, 75, -12)], np.float64)
    sketch.fill(outline, mix(identity.skin.color, FLUSH, 0.38), lit=230)


@lru_cache(maxsize=256)
def _ear(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outlines (n, 3) of the right ear and of its concha."""
    size, out = head.ear_size, 4.0 + 5.0 * head.ear_angle
    x, y = ellipse(0.0, 0.0, 1.0, 1.0, 18).T
    ear = points(head.cheek + out * size * (x + 0.45 - 0.25 * y), -9.0 + 13.0 * size * y, -10.0 - 6.0 * x)
    shell = points(head.cheek + 0.5 + 0.55 * out * size * (x + 0.6), -10.0 + 8.2 * size * y, -8.0 - 6.0 * x)
    return ear, shell


def draw_ear(sketch: Sketch, identity: Identity, side: float) -> None:
    """Draws the ear on the left (-1) or right (1) of the image.

    The ear turned away from the viewer must be drawn before the head, the other after it.
    """
    ear, shell = _ear(identity.head)
    sketch.fill(ear * (side, 1.0, 1.0), mix(identity.skin.color, FLUSH, 0.10))
    sketch.fill(shell * (side, 1.0, 1.0), mix(identity.skin.color, FLUSH, 0.33))


def draw_head(sketch: Sketch, identity: Identity) -> None:
    """Draws the bare head: the convex hull of the rotated outlines at several depths."""
    sketch.hull(_head_rings(identity.head), identity.skin.color)


def draw_face(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws everything on the skin except hair and glasses."""
    _marks(sketch, identity)
    _beard(sketch, identity, conditions)
    _folds(sketch, identity, conditions)
    _nose(sketch, identity)
    _mouth(sketch, identity, conditions)
    _moustache(sketch, identity, conditions)
    _eyes(sketch, identity, conditions)
    _brows(sketch, identity, conditions)


def _marks(sketch: Sketch, identity: Identity) -> None:
    skin = identity.skin
    for x, y, radius in skin.moles:
        sketch.fill(ellipse(x, y, radius, radius, 8), mix(skin.color, (60, 34, 28), 0.75))
    freckle = mix(skin.color, (170, 96, 58), 0.45)
    for x, y in skin.freckles:
        sketch.fill(ellipse(x, y, 0.55, 0.55, 5), freckle)


def _folds(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws creases due to age and smiling: nasolabial folds, forehead lines, crow's feet, bags."""
    skin, eyes, nose = identity.skin, identity.eyes, identity.nose
    smile = max(0.0, conditions.expression.smile)
    corner_x, corner_y = mouth_corner(identity, conditions.expression)
    deep = min(1.0, 0.75 * skin.age + 0.45 * smile)
    crease = mix(skin.color, FLUSH, 0.08 + 0.26 * deep)
    if deep > 0.25:
        fold = [
            (nose.width + 1.5, nose.base - 4.5),
            (0.6 * nose.width + 0.4 * corner_x + 4.0, nose.base + 2.0),
            (0.3 * nose.width + 0.7 * corner_x + 5.0, 0.4 * nose.base + 0.6 * corner_y),
            (corner_x + 4.0, corner_y - 2.0),
        ]
        sketch.line_both(smooth(fold, closed=False), crease, 0.9)
    if skin.age > 0.45:
        x, y = eyes.spacing + eyes.width + 2.0, eyes.height
        feet = np.array([[(x, y + 0.4 * lift), (x + 4.5, y + 1.5 * lift)] for lift in (-2.5, 0.5, 3.0)])
        sketch.lines(np.concatenate((feet, feet * (-1.0, 1.0))), crease, 0.6)
    if eyes.bags > 0.3:
        bag = [(-6.5, 5.5), (0.0, 8.2), (6.5, 5.5)]
        arc = np.add(smooth(bag, closed=False), (eyes.spacing, eyes.height))
        sketch.line_both(arc, mix(skin.color, (120, 70, 90), 0.35 * eyes.bags), 0.9)
    if skin.age > 0.4 or conditions.expression.brows > 0.55:
        t = span(9)
        bend = 1.6 * t * t - conditions.expression.brows
        rows = np.array([points(17.0 * t, height + bend) for height in (-37.0, -41.5, -46.0)])
        sketch.lines(rows, mix(skin.color, FLUSH, 0.10 + 0.14 * skin.age), 0.7)


def _nose(sketch: Sketch, identity: Identity) -> None:
    """Draws wings, nostrils and the shadow below; the ridge itself comes from the lighting (relief.py)."""
    nose, skin = identity.nose, identity.skin
    # In skin color: visible only where the nose of a turned head extends over the backdrop.
    half = nose.bridge * 0.8
    profile = np.array(
        [
            (-half, -16.0, 0.0),
            (half, -16.0, 0.0),
            (0.7 * nose.width, nose.tip, 0.6 * nose.relief),
            (0.6 * nose.width, nose.base, 0.4 * nose.relief),
            (-0.6 * nose.width, nose.base, 0.4 * nose.relief),
            (-0.7 * nose.width, nose.tip, 0.6 * nose.relief),
            (nose.crooked, nose.tip + 1.5, 0.95 * nose.relief),
        ]
    )
    sketch.hull(sketch.view.lift(profile[:, :2], profile[:, 2]), skin.color)
    shade = mix(skin.color, FLUSH, 0.30)
    low = nose.relief * 0.55
    t = span(13)
    below = ribbon(
        points(0.62 * nose.width * t, nose.base - 0.6 - 1.2 * (1 - t * t)),
        points(0.72 * nose.width * t, nose.base + 0.9 * (1 - t * t)),
    )
    sketch.fill(below, mix(skin.color, FLUSH, 0.24), relief=low)
    wing = [
        (0.62 * nose.width, nose.base - 6.5),
        (0.98 * nose.width, nose.base - 4.0),
        (0.95 * nose.width, nose.base - 0.8),
        (0.70 * nose.width, nose.base + 0.2),
    ]
    sketch.line_both(smooth(wing, closed=False), shade, 1.0, relief=0.35 * nose.relief)
    hole = ellipse(0.44 * nose.width, nose.base - 0.7, 0.24 * nose.width, 0.95 * nose.nostrils, 12)
    sketch.fill_both(hole, mix(skin.color, (40, 10, 8), 0.72), relief=low)


def _mouth(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    mouth, expression = identity.mouth, conditions.expression
    corner_x, corner_y = mouth_corner(identity, expression)
    t = span(17)
    arch = 1.0 - t * t
    middle = mouth.height + 0.7 * expression.smile + 0.4 * mouth.curve
    seam = corner_y + (middle - corner_y) * arch
    gap = 10.0 * expression.mouth_open + 2.6 * max(0.0, expression.smile - 0.45)
    upper_edge, lower_edge = seam - 0.22 * gap * arch, seam + 0.78 * gap * arch
    thin = 1.0 - 0.25 * max(0.0, expression.smile)
    bow = 1.0 - 0.32 * mouth.bow * np.maximum(0.0, 1.0 - (t / 0.22) ** 2)
    top = upper_edge - thin * mouth.upper * (1.0 - np.abs(t) ** 1.7) * bow
    bottom = lower_edge + thin * mouth.lower * arch**0.8

    x = corner_x * t
    dark = mix(mouth.color, BLACK, 0.55)
    if gap > 0.8:
        inside = ribbon(points(x, upper_edge), points(x, lower_edge))
        sketch.fill(inside, (70, 18, 22))
        bite = np.minimum(lower_edge - 0.12 * gap * arch, upper_edge + 4.2 * arch)
        teeth = ribbon(points(0.88 * x, upper_edge), points(0.88 * x, bite))
        sketch.fill(teeth, (236, 230, 218))
        if mouth.gap_teeth:
            sketch.line(np.array([(0.0, upper_edge[8]), (0.0, bite[8])]), (90, 40, 40), 0.9)
        if gap > 5.0:
            tongue = ellipse(0.0, lower_edge[8] - 0.1 * gap, 0.5 * corner_x, 0.26 * gap, 14)
            sketch.fill(tongue, (186, 84, 88))
    sketch.fill(ribbon(points(x, top), points(x, upper_edge)), mix(mouth.color, BLACK, 0.12))
    sketch.fill(ribbon(points(x, lower_edge), points(x, bottom)), mouth.color)
    if gap <= 0.8:
        sketch.line(points(1.04 * x, seam), dark, 0.9)
    shine = points(0.35 * x, lower_edge + 0.45 * thin * mouth.lower)
    sketch.line(shine, mix(mouth.color, (255, 235, 230), 0.3), 0.8)


def _eyes(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws the eyes: eyeball, iris and pupil between the lids, lashes, lid crease."""
    eyes, skin, expression = identity.eyes, identity.skin, conditions.expression
    squint = 1.0 - 0.22 * max(0.0, expression.smile)
    up, down = eyes.upper * expression.eyes_open * squint, eyes.lower * (0.6 + 0.4 * expression.eyes_open) * squint
    t = span(17)
    arch = 1.0 - t * t
    level = eyes.height - eyes.tilt * t
    upper = level - up * arch**0.75 * (1.0 + eyes.peak * t)
    lower = level + down * arch**0.9 * (1.0 + 0.2 * t)
    x = eyes.spacing + eyes.width * t
    skew = identity.head.lopsided
    sketch.fill_both(ribbon(points(x, upper), points(x, lower)), (232, 228, 224), skew=skew)

    disc_y = eyes.height - 0.3 * up + 1.6 * expression.gaze[1]
    for side in (1.0, -1.0):
        center = eyes.spacing + 2.4 * side * expression.gaze[0]
        discs = np.concatenate(
            [ellipse(center, disc_y - 0.5, radius * eyes.iris, radius * eyes.iris) for radius in IRIS_RINGS]
        )
        discs[:, 1] = np.clip(discs[:, 1], np.interp(discs[:, 0], x, upper), np.interp(discs[:, 0], x, lower))
        discs *= (side, 1.0)
        discs[:, 1] -= side * skew
        rim, iris, pupil = discs.reshape(3, -1, 2)
        sketch.fill(rim, mix(eyes.color, BLACK, 0.45))
        sketch.fill(iris, eyes.color)
        sketch.fill(pupil, BLACK)
        if expression.eyes_open > 0.4:
            sketch.fill(
                ellipse(side * center + 1.3, disc_y - 1.8 - side * skew, 0.85, 0.85, 8), (255, 255, 255), lit=120
            )

    lash = mix(mix(skin.color, FLUSH, 0.5), BLACK, min(1.0, 0.35 + 0.6 * eyes.lashes))
    thick = (0.7 + 1.3 * eyes.lashes) * (0.75 + 0.25 * t)
    wing = x + np.where(t > 0.85, 1.6 * eyes.lashes, 0.0)
    sketch.fill_both(ribbon(points(wing, upper - thick), points(x, upper + 0.25)), lash, skew=skew)
    sketch.line_both(points(x, lower + 0.3), mix(skin.color, FLUSH, 0.34), 0.7, skew=skew)
    if eyes.crease > 0.5:
        fold = points(x + 0.3 * t, upper - 0.9 - eyes.crease * arch**0.5)
        sketch.line_both(fold, mix(skin.color, FLUSH, 0.36), 0.8, skew=skew)


def _brows(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    brows, lift = identity.brows, conditions.expression.brows
    t = span(15)
    x = brows.gap + (t + 1) / 2 * brows.length
    frown = 0.7 * max(0.0, -lift) * (1 - t)
    y = identity.eyes.height - brows.height - 2.6 * lift - brows.arch * (1.0 - (t - 0.25) ** 2) - brows.tilt * t + frown
    half = np.maximum(0.5 * brows.thickness * np.minimum(1.0, 1.35 - 0.85 * np.abs(t + 0.35) ** 1.3), 0.25)
    color = mix(identity.skin.color, mix(identity.hair.color, BLACK, 0.25), brows.strength)
    sketch.fill_both(ribbon(points(x, y - half), points(x, y + half)), color, relief=1.0, skew=identity.head.lopsided)


def _hair_on_skin(identity: Identity, density: float) -> Color:
    return mix(identity.skin.color, mix(identity.hair.color, BLACK, 0.2), density)


def _beard(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    """Draws the full beard or the goatee, below the mouth."""
    beard, head = identity.beard, identity.head
    corner_x, corner_y = mouth_corner(identity, conditions.expression)
    if beard.full * conditions.groomed > 0.3:
        half = [
            (0.0, corner_y + 7.5),
            (corner_x * 0.7, corner_y + 6.0),
            (corner_x + 3.5, corner_y - 2.0),
            (head.jaw - 9.0, corner_y - 7.0),
            (head.jaw, -2.0),
            (head.cheek, -12.0),
            (head.jaw + 1.5, head.jaw_height - 2.0),
            (head.chin * 1.25, head.length - 2.0),
            (0.0, head.length + 2.5),
        ]
        outline = smooth(half + [(-x, y) for x, y in half[-2:0:-1]])
        sketch.fill(outline, _hair_on_skin(identity, min(0.95, beard.full * conditions.groomed)))
    elif beard.chin * conditions.groomed > 0.3:
        half = [
            (0.0, corner_y + 6.5),
            (7.0, corner_y + 7.0),
            (11.0, corner_y + 13.0),
            (8.0, head.length),
            (0.0, head.length + 2),
        ]
        outline = smooth(half + [(-x, y) for x, y in half[-2:0:-1]])
        sketch.fill(outline, _hair_on_skin(identity, min(0.95, beard.chin * conditions.groomed)))


def _moustache(sketch: Sketch, identity: Identity, conditions: Conditions) -> None:
    density = identity.beard.moustache * conditions.groomed
    if density <= 0.3:
        return
    corner_x, corner_y = mouth_corner(identity, conditions.expression)
    nose = identity.nose
    t = span(15)
    top = nose.base + 2.6 + (corner_y - nose.base - 3.0) * np.abs(t) ** 1.6
    bottom = nose.base + 8.0 + (corner_y - nose.base - 4.0) * np.abs(t) ** 2.2
    x = (corner_x + 2.5) * t
    outline = ribbon(points(x, top), points(x, np.maximum(bottom, top + 0.5)))
    sketch.fill(outline, _hair_on_skin(identity, min(0.95, density)), relief=1.0)


def draw_glasses(sketch: Sketch, identity: Identity, *, lens: Color | None = None) -> None:
    """Draws the frame of the glasses, with dark lenses if `lens` is a color."""
    glasses, eyes, head = identity.glasses, identity.eyes, identity.head
    relief, y = 9.0, eyes.height + 1.8
    circle = ellipse(0.0, 0.0, 1.0, 1.0, 28)
    # A superellipse: exponent 2 is an ellipse, larger exponents approach a rectangle.
    corner = np.sign(circle) * np.abs(circle) ** (2.0 / glasses.roundness)
    height = glasses.height + (2.5 if lens else 0.0)
    for side in (-1.0, 1.0):
        center = side * max(eyes.spacing + 0.8, glasses.width + 2.0)
        outline = corner * (glasses.width, height) + (center, y)
        if lens is not None:
            sketch.fill(outline, lens, relief=relief, lit=200)
        sketch.line(np.concatenate((outline, outline[:1])), glasses.color, glasses.rim, relief=relief)
        edge = abs(center) + glasses.width
        temple = np.array([(side * edge, y - 2.0, 36.0), (side * (head.cheek + 1.0), y, -4.0)])
        sketch.line(temple, glasses.color, glasses.rim)
    inner = max(eyes.spacing + 0.8, glasses.width + 2.0) - glasses.width
    t = span(7)
    sketch.line(points(inner * t, y - 2.0 - 1.4 * (1 - t * t)), glasses.color, glasses.rim, relief=relief)
