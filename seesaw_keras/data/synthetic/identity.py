"""Random sampling of synthetic identities: all parameters that are the same in every image of a person.

>>> from seesaw_keras.data.synthetic.identity import sample_identity
>>> sample_identity(7) == sample_identity(7)
True
"""

from functools import lru_cache

from seesaw_keras.data.synthetic.person import (
    Beard,
    Brows,
    Color,
    Eyes,
    Glasses,
    Hair,
    Head,
    Identity,
    Mouth,
    Nose,
    Skin,
    mix,
)
from seesaw_keras.data.synthetic.stable_rng import StableRng

__all__ = ["sample_identity"]

IDENTITY_STREAM = 0  # first word of the key; the images of an identity use another stream

SKIN_TONES: tuple[Color, ...] = ((246, 213, 190), (235, 192, 160), (216, 166, 128), (172, 120, 86), (116, 76, 54))
HAIR_COLORS: tuple[Color, ...] = (
    (34, 28, 28),
    (62, 42, 32),
    (98, 66, 44),
    (146, 104, 62),
    (206, 168, 104),
    (150, 66, 34),
)
GRAY_HAIR: Color = (186, 184, 182)
EYE_COLORS: tuple[Color, ...] = (
    (64, 40, 26),
    (98, 62, 34),
    (112, 108, 58),
    (78, 120, 84),
    (84, 126, 168),
    (118, 136, 146),
)
FRAME_COLORS: tuple[Color, ...] = (
    (30, 28, 30),
    (92, 54, 34),
    (150, 150, 156),
    (176, 138, 66),
    (130, 34, 44),
    (40, 60, 110),
)


@lru_cache(maxsize=1024)
def sample_identity(identity: int, *, seed: int = 0) -> Identity:
    """Samples a synthetic identity.

    Args:
        identity: number of the identity, in [0, 2**32).
        seed: seed of the population, in [0, 2**32).

    Returns:
        The identity, deterministic for given arguments.

    Raises:
        ValueError: if a number is out of range.
    """
    rng = StableRng(IDENTITY_STREAM, seed, identity)
    softness = rng.uniform(0.0, 1.0)  # rugged to delicate: correlates jaw, brows, lips, beard and hair length
    age = rng.uniform(0.0, 1.0) ** 1.6
    tone = rng.uniform(0.0, 1.0)
    skin = _skin(rng, tone, age)
    hair = _hair(rng, tone, age, softness)
    return Identity(
        skin=skin,
        head=_head(rng, softness),
        eyes=_eyes(rng, tone, softness, age),
        brows=_brows(rng, softness),
        nose=_nose(rng),
        mouth=_mouth(rng, skin.color, softness),
        hair=hair,
        beard=_beard(rng, softness),
        glasses=_glasses(rng),
    )


def _skin(rng: StableRng, tone: float, age: float) -> Skin:
    position = tone * (len(SKIN_TONES) - 1)
    step = min(int(position), len(SKIN_TONES) - 2)
    red, green, blue = mix(SKIN_TONES[step], SKIN_TONES[step + 1], position - step)
    moles = tuple(
        (rng.uniform(-23, 23), rng.uniform(-8, 22), rng.uniform(0.6, 1.2))
        for _ in range(rng.choice((0, 1, 2), (6, 3, 1)))
    )
    count = rng.choice((0, 16, 34), (7, 1, 1)) if tone < 0.5 else 0
    freckles = tuple((rng.normal(0, 13), rng.normal(-4, 5)) for _ in range(count))
    return Skin(
        color=(red, green + rng.normal(0, 3), blue + rng.normal(0, 4)),
        rosiness=rng.uniform(0.0, 1.0) * (1 - 0.6 * tone),
        gloss=rng.uniform(0.1, 0.6),
        age=age,
        moles=moles,
        freckles=freckles,
    )


def _head(rng: StableRng, softness: float) -> Head:
    width = rng.normal(0, 2.0)
    return Head(
        temple=rng.normal(39.0, 2.0) + width,
        cheek=rng.normal(41.5, 1.75) + width,
        jaw=rng.normal(34.5 - 5.0 * softness, 2.75) + width,
        jaw_height=rng.normal(19.5, 2.5),
        chin=rng.normal(15.5 - 4.0 * softness, 2.75),
        length=rng.normal(41.5 - 2.5 * softness, 2.88),
        depth=rng.normal(45, 3.75),
        cheekbones=rng.normal(1.0, 0.75),
        cheeks=rng.normal(0.1, 1.25),
        sockets=rng.normal(1.6, 0.88),
        cleft=max(0.0, rng.normal(-0.4, 0.62)),
        ear_size=rng.normal(1.0, 0.14),
        ear_angle=rng.uniform(0.0, 1.0) ** 2,
        lopsided=rng.normal(0, 0.56),
    )


def _eyes(rng: StableRng, tone: float, softness: float, age: float) -> Eyes:
    weights = (4, 3, 0.3, 0.2, 0.2, 0.2) if tone > 0.55 else (1.5, 2, 1.5, 1.5, 2.5, 1.2)
    return Eyes(
        spacing=rng.normal(17.6, 1.29),
        height=rng.normal(-20.4, 1.01),
        width=rng.normal(8.3, 1.01),
        upper=rng.normal(4.1 + 0.7 * softness, 1.08),
        lower=rng.normal(2.6, 0.71),
        tilt=rng.normal(0.7, 1.37),
        peak=rng.normal(0.0, 0.44),
        crease=max(0.0, rng.normal(1.7, 1.29)),
        bags=rng.uniform(0.0, 1.0) * (0.35 + 0.65 * age),
        lashes=rng.uniform(0.2, 0.6) + 0.6 * softness,
        iris=rng.normal(4.0, 0.4),
        color=mix(rng.choice(EYE_COLORS, weights), (90, 80, 70), rng.uniform(0.0, 0.3)),
    )


def _brows(rng: StableRng, softness: float) -> Brows:
    return Brows(
        height=rng.normal(10.6 + 1.2 * softness, 1.72),
        thickness=max(1.0, rng.normal(3.7 - 1.3 * softness, 1.29)),
        length=rng.normal(20.5, 2.16),
        arch=max(0.0, rng.normal(1.7 + 0.7 * softness, 1.44)),
        tilt=rng.normal(0.3, 1.86),
        gap=rng.normal(7.2, 2.01),
        strength=rng.uniform(0.55, 1.0),
    )


def _nose(rng: StableRng) -> Nose:
    tip = rng.normal(-0.6, 2.44)
    return Nose(
        width=rng.normal(9.4, 2.16),
        tip=tip,
        base=tip + rng.normal(5.2, 1.29),
        bridge=rng.normal(4.2, 1.01),
        relief=rng.normal(13.0, 2.88),
        hump=rng.normal(0.2, 1.44),
        bulb=rng.normal(4.6, 1.29),
        nostrils=rng.uniform(0.5, 1.3),
        crooked=rng.normal(0, 0.71),
    )


def _mouth(rng: StableRng, skin: Color, softness: float) -> Mouth:
    lipstick = softness > 0.55 and rng.chance(0.45)
    natural = mix(mix(skin, (176, 84, 84), 0.55), (120, 60, 60), rng.uniform(0.0, 0.25))
    painted = rng.choice(((178, 36, 52), (196, 84, 100), (140, 36, 60), (190, 96, 80)), (1, 1, 1, 1))
    return Mouth(
        width=rng.normal(14.6, 2.16),
        height=rng.normal(20.4, 1.72),
        upper=max(0.9, rng.normal(2.7 + 0.8 * softness, 1.22)),
        lower=max(1.4, rng.normal(3.9 + 0.8 * softness, 1.37)),
        bow=rng.uniform(0.0, 1.0),
        curve=rng.normal(0.9, 1.15),
        color=mix(natural, painted, 0.75) if lipstick else natural,
        gap_teeth=rng.chance(0.12),
    )


def _hair(rng: StableRng, tone: float, age: float, softness: float) -> Hair:
    dark = (5, 3, 0.5, 0.1, 0.05, 0.1) if tone > 0.55 else (1.5, 2.5, 2.5, 2, 1.6, 0.8)
    color = mix(rng.choice(HAIR_COLORS, dark), rng.choice(HAIR_COLORS, dark), rng.uniform(0.0, 0.4))
    color = mix(color, GRAY_HAIR, min(1.0, max(0.0, (age - 0.5) * 2 + rng.normal(0, 0.25))) if age > 0.45 else 0.0)
    style = rng.choice(
        ("bald", "short", "swept", "fringe", "parted", "curly"),
        (1.2 * (1 - softness), 3 - 2 * softness, 2, 1.4 + softness, 1.2 + 2 * softness, 1.5 + tone),
    )
    long = style != "bald" and rng.chance(softness * 1.5 - 0.35)
    return Hair(
        style=style,
        length=rng.uniform(25.0, 80.0) if long else 0.0,
        line=rng.normal(50.0, 2.8) - 2.0 * softness,
        recession=max(0.0, rng.normal(2.0 + 4 * age * (1 - softness), 2.2)),
        volume=max(0.5, rng.normal(4.0, 2.0) + (4.0 if style == "curly" else 0.0)),
        parting=rng.uniform(-0.8, 0.8),
        wave=max(0.0, rng.normal(0.2, 0.6)),
        color=color,
    )


def _beard(rng: StableRng, softness: float) -> Beard:
    if softness > 0.5:
        return Beard(0.0, 0.0, 0.0, 0.0)
    kind = rng.choice(("shaven", "stubble", "moustache", "goatee", "full"), (4, 2.5, 1, 1, 1.6))
    return Beard(
        stubble=rng.uniform(0.1, 0.45) if kind != "stubble" else rng.uniform(0.5, 0.9),
        moustache=rng.uniform(0.55, 1.0) if kind in ("moustache", "goatee", "full") else 0.0,
        chin=rng.uniform(0.55, 1.0) if kind in ("goatee", "full") else 0.0,
        full=rng.uniform(0.5, 1.0) if kind == "full" else 0.0,
    )


def _glasses(rng: StableRng) -> Glasses:
    return Glasses(
        habit=rng.choice((0.02, 0.35, 0.92), (6, 1.5, 2)),
        width=rng.normal(13.2, 1.0),
        height=rng.normal(9.6, 1.5),
        roundness=rng.uniform(2.0, 4.5),
        rim=rng.uniform(0.9, 2.2),
        color=rng.choice(FRAME_COLORS, (4, 2, 2, 1.5, 1, 1)),
    )
