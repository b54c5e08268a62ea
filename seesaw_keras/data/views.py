"""Views: geometric augmentations of an aligned face, the same for a teacher and its student.

>>> import numpy as np
>>> from seesaw_keras.data.views import Views
>>> views = Views(jittered=4, seed=0)
>>> len(views), views.render(np.zeros((112, 112, 3), np.uint8), key=17, view=2).shape
(4, (112, 112, 3))

A view depends on (seed, image, index of the view) and not on the epoch, so a teacher embeds each one only once and its
embeddings can be stored ("function matching", arXiv 2106.05237: teacher and student must see the same image). Images
are identified by their bytes, so they keep their views when data sets are mixed, filtered or reordered.
"""

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.order import random_uniforms

__all__ = ["PLAIN", "Views", "image_key"]

Image = npt.NDArray[np.uint8]

MAX_ROTATION = 12.0  # degrees, in either direction
MAX_LOG_SCALE = 0.12  # natural logarithm: scales of 0.89 to 1.13
MAX_SHIFT = 0.045  # fraction of the side, 5 pixels of 112


def image_key(data: bytes) -> int:
    """Returns the key of an encoded image for views: its CRC-32."""
    return zlib.crc32(data)


@dataclass(frozen=True)
class Views:
    """The views of a data set's images; `len()` is their number per image.

    Without jitter the views are the image and, with `flip`, its mirror image. Jittered views are rotated, scaled and
    shifted, uniformly up to the constants of this module; with `flip`, every other one is also mirrored.

    Attributes:
        jittered: number of jittered views per image, 0 for none.
        flip: whether half of the views are mirrored.
        seed: seed of the jittered views.

    Raises:
        ValueError: if `jittered` is negative.
    """

    jittered: int = 0
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.jittered < 0:
            raise ValueError(f"the number of jittered views must be 0 or more, got {self.jittered}")

    def __len__(self) -> int:
        return self.jittered or 1 + self.flip

    def describe(self) -> dict[str, Any]:
        """Returns everything that determines the views besides the image, for JSON."""
        jitter = {"rotation": MAX_ROTATION, "log_scale": MAX_LOG_SCALE, "shift": MAX_SHIFT}
        return asdict(self) | jitter if self.jittered else {"flip": self.flip}

    def render(self, image: Image, key: int, view: int) -> Image:
        """Returns a view of an image.

        Args:
            image: uint8 (side, side, 3).
            key: from `image_key`.
            view: 0 or more, below `len(self)`.

        Returns:
            uint8 (side, side, 3). Pixels beyond the edges are reflected.
        """
        if not self.jittered:
            return cv2.flip(image, 1) if view else image  # type: ignore[return-value]
        side = image.shape[0]
        return cv2.warpAffine(  # type: ignore[return-value]
            image,
            self.matrix(key, view, side),
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def matrix(self, key: int, view: int, side: int) -> npt.NDArray[np.float64]:
        """Returns the similarity transform (2, 3) from the pixels of an image to those of a jittered view.

        Args:
            key: from `image_key`.
            view: as in `render`.
            side: of the image in pixels.
        """
        rotation, scale, right, down = 2 * random_uniforms(self.seed, view, key, 4) - 1
        angle, factor = np.deg2rad(MAX_ROTATION * rotation), np.exp(MAX_LOG_SCALE * scale)
        cosine, sine = factor * np.cos(angle), factor * np.sin(angle)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        if self.flip and (view + key) % 2:
            linear[:, 0] *= -1
        center = np.full(2, (side - 1) / 2)
        shift = MAX_SHIFT * side * np.array([right, down])
        return np.column_stack([linear, center + shift - linear @ center])


PLAIN = Views()  # the image and its mirror image
