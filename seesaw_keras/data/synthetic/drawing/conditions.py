"""Conditions that vary between the images of an identity: pose, expression, light, camera, occlusion.

>>> from seesaw_keras.data.synthetic.drawing.conditions import sample_conditions
>>> abs(sample_conditions(7, 0).pose.yaw) < 60
True
"""

from dataclasses import dataclass

from seesaw_keras.data.synthetic.person import Color, mix
from seesaw_keras.data.synthetic.stable_rng import StableRng

__all__ = ["BACKDROP_CELLS", "NEUTRAL", "Camera", "Conditions", "Expression", "Light", "Pose", "sample_conditions"]

BACKDROP_CELLS = 4
PICTURE_STREAM = 1  # first word of the key, as IDENTITY_STREAM is in identity.py


@dataclass(frozen=True)
class Pose:
    """Direction of the head in degrees, and the residual misalignment of the five points.

    Attributes:
        yaw: positive turns the face to the right of the image.
        pitch: positive lifts the chin.
        roll: residual rotation, degrees.
        zoom: residual scale.
        shift: residual displacement, in template pixels (x, y).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Expression:
    """Expression: `smile` -1..1, `mouth_open` 0..1, `brows` -1..1 lifted, `eyes_open` 0..1.3, `gaze` (x, y) -1..1."""

    smile: float = 0.0
    mouth_open: float = 0.0
    brows: float = 0.0
    eyes_open: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Light:
    """One lamp and ambient light.

    Attributes:
        direction: unit vector from the face to the lamp: right, down, toward the viewer.
        ambient: fraction of the light that is ambient, 0..1.
        lamp: color of the lamp, factors around 1.
        surroundings: color of the ambient light, factors around 1.
    """

    direction: tuple[float, float, float] = (0.0, -0.3, 0.954)
    ambient: float = 0.6
    lamp: Color = (1.0, 1.0, 1.0)
    surroundings: Color = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Camera:
    """Effects of the camera and the file format on the image.

    Attributes:
        exposure: factor on all light.
        contrast: factor around middle gray.
        gamma: exponent of the tone curve.
        saturation: 0 for a black and white image, 1 for natural colors.
        blur: standard deviation of the Gaussian blur, in template pixels.
        motion: length of the motion blur, in template pixels; below 2 for none.
        motion_upright: whether that motion is vertical.
        resolution: side to which the image is downscaled before upscaling, as a fraction of its side.
        noise: standard deviation of the sensor noise, in gray levels.
        jpeg: JPEG quality, 1..100; 0 for none.
    """

    exposure: float = 1.0
    contrast: float = 1.0
    gamma: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0
    motion: float = 0.0
    motion_upright: bool = False
    resolution: float = 1.0
    noise: float = 0.0
    jpeg: int = 0


@dataclass(frozen=True)
class Conditions:
    """All properties of an image that do not depend on the identity.

    Attributes:
        pose: pose of the head.
        expression: expression of the face.
        light: light of the scene.
        camera: camera effects.
        glasses: threshold in 0..1; glasses are worn if it is below the person's habit.
        groomed: factor on beard and stubble in this image.
        tousled: displacement of the hair in this image.
        cover: occlusion of the face: "", "sunglasses", "mask", "cap", "hand" or "object".
        cover_color: color of the occlusion.
        cover_place: position of the occlusion, two numbers in 0..1.
        backdrop: BACKDROP_CELLS x BACKDROP_CELLS colors behind the head, row by row.
    """

    pose: Pose
    expression: Expression
    light: Light
    camera: Camera
    glasses: float
    groomed: float
    tousled: float
    cover: str
    cover_color: Color
    cover_place: tuple[float, float]
    backdrop: tuple[Color, ...]


NEUTRAL = Conditions(
    pose=Pose(),
    expression=Expression(),
    light=Light(),
    camera=Camera(),
    glasses=0.5,
    groomed=1.0,
    tousled=0.0,
    cover="",
    cover_color=(0.0, 0.0, 0.0),
    cover_place=(0.5, 0.5),
    backdrop=((128.0, 136.0, 144.0),) * BACKDROP_CELLS**2,
)


def sample_conditions(identity: int, image: int, *, seed: int = 0) -> Conditions:
    """Samples the conditions of one image.

    Args:
        identity: number of the identity, in [0, 2**32).
        image: number of the image, in [0, 2**32).
        seed: seed of the population, in [0, 2**32).

    Returns:
        The conditions, deterministic for given arguments and independent between different arguments.

    Raises:
        ValueError: if a number is out of range.
    """
    rng = StableRng(PICTURE_STREAM, seed, identity, image)
    covers = ("", "sunglasses", "mask", "cap", "hand", "object")
    return Conditions(
        pose=_pose(rng),
        expression=_expression(rng),
        light=_light(rng),
        camera=_camera(rng),
        glasses=rng.uniform(0.0, 1.0),
        groomed=rng.uniform(0.4, 1.15),
        tousled=rng.normal(0.0, 1.0),
        cover=rng.choice(covers, (92, 1.6, 1.0, 2.0, 1.4, 2.0)),
        cover_color=_color(rng),
        cover_place=(rng.uniform(0.0, 1.0), rng.uniform(0.0, 1.0)),
        backdrop=_backdrop(rng),
    )


def _pose(rng: StableRng) -> Pose:
    return Pose(
        yaw=rng.normal(0.0, 7.5),
        pitch=rng.normal(0.0, 4.5),
        roll=rng.normal(0.0, 1.5),
        zoom=1.0 + rng.normal(0.0, 0.016),
        shift=(rng.normal(0.0, 0.65), rng.normal(0.0, 0.65)),
    )


def _expression(rng: StableRng) -> Expression:
    talking = rng.uniform(0.1, 0.9) if rng.chance(0.35) else 0.0
    return Expression(
        smile=max(-0.5, min(1.0, rng.normal(0.3, 0.4))),
        mouth_open=talking,
        brows=rng.normal(0.0, 0.33),
        eyes_open=0.05 if rng.chance(0.03) else min(1.25, rng.normal(1.0, 0.12)),
        gaze=(rng.normal(0.0, 0.4), rng.normal(0.0, 0.25)),
    )


def _light(rng: StableRng) -> Light:
    x, y = rng.normal(0.0, 0.65), rng.normal(-0.45, 0.4)
    z = rng.uniform(0.45, 1.2)
    length = (x * x + y * y + z * z) ** 0.5
    warmth, tint = rng.normal(0.0, 0.06), rng.normal(0.0, 0.02)
    other = rng.normal(0.0, 0.06)
    return Light(
        direction=(x / length, y / length, z / length),
        ambient=rng.uniform(0.35, 0.85),
        lamp=(1.0 + warmth, 1.0 + tint, 1.0 - warmth),
        surroundings=(1.0 + other, 1.0, 1.0 - other),
    )


def _camera(rng: StableRng) -> Camera:
    sharp = rng.chance(0.6)
    return Camera(
        exposure=max(0.4, rng.normal(0.97, 0.11)),
        contrast=rng.normal(1.0, 0.09),
        gamma=max(0.5, rng.normal(1.0, 0.11)),
        saturation=0.0 if rng.chance(0.04) else max(0.0, rng.normal(1.0, 0.15)),
        blur=0.0 if sharp else rng.uniform(0.3, 1.5),
        motion=rng.uniform(2.0, 5.0) if rng.chance(0.06) else 0.0,
        motion_upright=rng.chance(0.4),
        resolution=rng.uniform(0.4, 0.8) if rng.chance(0.12) else 1.0,
        noise=rng.uniform(0.0, 1.0) ** 2 * 9.0,
        jpeg=int(rng.uniform(30, 92)) if rng.chance(0.6) else 0,
    )


def _color(rng: StableRng) -> Color:
    """Returns a random color; muted colors are more likely than saturated ones."""
    gray, vivid = rng.uniform(15, 235), 75 * rng.uniform(0.0, 1.0) ** 2
    return (gray + rng.uniform(-vivid, vivid), gray + rng.uniform(-vivid, vivid), gray + rng.uniform(-vivid, vivid))


def _backdrop(rng: StableRng) -> tuple[Color, ...]:
    """Returns a vertical gradient between two colors, with blotches."""
    first, second = _color(rng), _color(rng)
    busy = rng.uniform(0.0, 45.0)
    cells = []
    for cell in range(BACKDROP_CELLS**2):
        red, green, blue = mix(first, second, (cell // BACKDROP_CELLS) / (BACKDROP_CELLS - 1))
        gray, tint = rng.uniform(-busy, busy), 0.5 * rng.uniform(-busy, busy)
        cells.append((red + gray + tint, green + gray, blue + gray - tint))
    return tuple(cells)
