"""Parameters of a synthetic identity.

Lengths are in pixels of the 112x112 ArcFace template, colors are RGB in 0..255.

>>> from seesaw_keras.data.synthetic.person import mix
>>> mix((0.0, 0.0, 0.0), (200.0, 100.0, 0.0), 0.25)
(50.0, 25.0, 0.0)
"""

from dataclasses import dataclass

__all__ = ["Beard", "Brows", "Color", "Eyes", "Glasses", "Hair", "Head", "Identity", "Mouth", "Nose", "Skin", "mix"]

Color = tuple[float, float, float]


def mix(first: Color, second: Color, share: float) -> Color:
    """Interpolates between two colors; `share` is the weight of the second."""
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )


@dataclass(frozen=True)
class Skin:
    """Skin color and marks.

    Attributes:
        color: base color.
        rosiness: redness of cheeks and nose, 0..1.
        gloss: strength of the highlights, 0..1.
        age: depth of the folds and wrinkles, 0..1.
        moles: positions on the face, each (x, y, radius).
        freckles: positions, each (x, y).
    """

    color: Color
    rosiness: float
    gloss: float
    age: float
    moles: tuple[tuple[float, float, float], ...]
    freckles: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Head:
    """Half widths and heights of the head's outline, and relief of the face.

    Attributes:
        temple: half width at the temples.
        cheek: half width at the cheekbones, the widest.
        jaw: half width at the corners of the jaw.
        jaw_height: distance of the corners of the jaw below the center.
        chin: half width of the chin.
        length: distance of the bottom of the chin below the center.
        depth: distance of the face in front of the plane of the ears.
        cheekbones: relief of the cheekbones.
        cheeks: fullness of the cheeks below them, negative for hollow ones.
        sockets: depth of the eye sockets.
        cleft: depth of a cleft in the chin.
        ear_size: scale factor of the ears.
        ear_angle: how far the ears stick out.
        lopsided: asymmetry, the difference of heights between left and right.
    """

    temple: float
    cheek: float
    jaw: float
    jaw_height: float
    chin: float
    length: float
    depth: float
    cheekbones: float
    cheeks: float
    sockets: float
    cleft: float
    ear_size: float
    ear_angle: float
    lopsided: float


@dataclass(frozen=True)
class Eyes:
    """Eyes: `spacing` is half the distance of their centers, `tilt` lifts the outer corner, `crease` the lid fold."""

    spacing: float
    height: float
    width: float
    upper: float
    lower: float
    tilt: float
    peak: float
    crease: float
    bags: float
    lashes: float
    iris: float
    color: Color


@dataclass(frozen=True)
class Brows:
    """Eyebrows: `height` above the eye, `arch` of the middle, `tilt` of the outer end, `gap` toward the nose."""

    height: float
    thickness: float
    length: float
    arch: float
    tilt: float
    gap: float
    strength: float


@dataclass(frozen=True)
class Nose:
    """Nose: half `width` at the wings, height of its `tip` and `base`, `bridge` width, `hump`, `bulb` of the tip."""

    width: float
    tip: float
    base: float
    bridge: float
    relief: float
    hump: float
    bulb: float
    nostrils: float
    crooked: float


@dataclass(frozen=True)
class Mouth:
    """Mouth: half `width`, `height` of its line, lips' thickness, `bow` of the upper lip, rest `curve`, color."""

    width: float
    height: float
    upper: float
    lower: float
    bow: float
    curve: float
    color: Color
    gap_teeth: bool


@dataclass(frozen=True)
class Hair:
    """Hair.

    Attributes:
        style: "bald", "short", "swept", "fringe", "parted" or "curly".
        length: distance of its ends below the eyes at the sides; 0 for none.
        line: height of the hairline above the center of the face.
        recession: recession of the hairline at the temples.
        volume: distance of the hair's outline from the skull.
        parting: position of the parting, -1..1.
        wave: amplitude of waves.
        color: color of the hair.
    """

    style: str
    length: float
    line: float
    recession: float
    volume: float
    parting: float
    wave: float
    color: Color


@dataclass(frozen=True)
class Beard:
    """Facial hair: densities 0..1 of the shadow on the jaw, of moustache, chin and full beard."""

    stubble: float
    moustache: float
    chin: float
    full: float


@dataclass(frozen=True)
class Glasses:
    """Glasses: how often they are worn (0..1), shape of the lenses (exponent, sizes), frame."""

    habit: float
    width: float
    height: float
    roundness: float
    rim: float
    color: Color


@dataclass(frozen=True)
class Identity:
    """All parameters of a synthetic identity."""

    skin: Skin
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    beard: Beard
    glasses: Glasses
