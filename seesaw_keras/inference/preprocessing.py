"""Input preprocessing by one lookup table, including the quantization of quantized inputs.

>>> import numpy as np
>>> from seesaw_keras.inference.preprocessing import InputLayout, to_input
>>> layout = InputLayout(height=112, width=112, channels_first=False)
>>> table = layout.table("pm1", np.dtype(np.float32))
>>> float(to_input(np.zeros((112, 112, 3), np.uint8), table, layout).min())
-1.0

Every preprocessing here maps each of the 256 values of a channel to one number, so a (256, 3) table can hold it
together with the rounding of a quantized input: exact, and faster than the arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.choices import unknown_name

__all__ = ["DEFAULT_PREPROCESS", "PREPROCESSES", "InputLayout", "fitted", "resize", "to_input"]

DEFAULT_PREPROCESS = "pm1"  # preprocessing of this package's own models
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

PREPROCESSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pm1": lambda pixel: (pixel - 127.5) / 127.5,
    "127.5/128": lambda pixel: (pixel - 127.5) / 128,
    "raw": lambda pixel: pixel,
    "imagenet": lambda pixel: (pixel / 255 - _IMAGENET_MEAN) / _IMAGENET_STD,
}
MIN_LEVELS = 128  # of 256 that a quantized input must distinguish; fewer indicate the wrong preprocessing


@dataclass(frozen=True)
class InputLayout:
    """Layout of a model's input.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels_first: NCHW instead of NHWC.
    """

    height: int
    width: int
    channels_first: bool

    @classmethod
    def of_shape(cls, shape: Sequence[object], name: str) -> "InputLayout":
        """Returns the layout for an input shape; the batch dimension may be None.

        Raises:
            ValueError: the shape is not that of single RGB images of a fixed size.
        """
        sizes = [size if isinstance(size, int) else -1 for size in shape]
        if len(sizes) == 4 and sizes[0] <= 1:
            for channels, height, width in ((3, 1, 2), (1, 2, 3)):
                if sizes[channels] == 3 and min(sizes[height], sizes[width]) > 0:
                    return cls(sizes[height], sizes[width], channels_first=channels == 1)
        raise ValueError(
            f"{name}: unsupported input shape {list(shape)}: expected single RGB images, (1, height, width, 3) or "
            "(1, 3, height, width)"
        )

    def table(self, preprocess: str, dtype: np.dtype, scale: float = 0.0, zero_point: int = 0) -> np.ndarray:
        """Returns the table (1, 256, 3) that maps each pixel value to an input value of type `dtype`.

        Args:
            preprocess: a key of `PREPROCESSES`.
            dtype: float32, or uint8 or int8.
            scale: quantization scale; 0 for an integer input without quantization, which takes the values unchanged.
            zero_point: quantization zero point.

        Raises:
            ValueError: `preprocess` is unknown, or a quantized input cannot represent the preprocessed values.
        """
        if preprocess not in PREPROCESSES:
            raise ValueError(unknown_name("preprocess", preprocess, list(PREPROCESSES)))
        real = PREPROCESSES[preprocess](np.repeat(np.arange(256.0)[:, None], 3, axis=1))
        if dtype == np.float32:
            return real[None].astype(np.float32)
        if dtype not in (np.uint8, np.int8):
            raise ValueError(f"unsupported input type {dtype}: expected float32, uint8 or int8")
        stored = np.round(real / scale) + zero_point if scale else real
        limits = np.iinfo(dtype)
        clipped = np.clip(stored, limits.min, limits.max)
        levels = min(np.unique(clipped[:, channel]).size for channel in range(3))
        if levels < MIN_LEVELS:
            raise ValueError(
                f"preprocess {preprocess!r} leaves {levels} of 256 levels in this {dtype} input (scale {scale:g}, zero "
                f"point {zero_point}): choose another of {', '.join(PREPROCESSES)}"
            )
        return clipped[None].astype(dtype)


def resize(
    image: npt.NDArray[np.uint8], size: tuple[int, int], *, growing: int = cv2.INTER_LINEAR
) -> npt.NDArray[np.uint8]:
    """Resizes an image, by area when shrinking.

    Args:
        image: uint8 (height, width, 3) or (height, width).
        size: target (width, height).
        growing: OpenCV's interpolation when the image gets larger.

    Returns:
        uint8 of that size; `image` itself if it already has that size.
    """
    if size == (image.shape[1], image.shape[0]):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else growing)  # type: ignore[return-value]


def fitted(image: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Returns a uint8 RGB image (h, w, 3) resized or cropped to a layout's size, (height, width, 3).

    An image of another size but the same aspect ratio is resized by area; one that is only wider, or only taller, is
    cropped equally on both sides (models of 112x96 take the middle of an aligned 112x112 face).

    Raises:
        ValueError: the image has another shape.
    """
    height, width = image.shape[:2]
    if height * layout.width == width * layout.height:
        return resize(image, (layout.width, layout.height), growing=cv2.INTER_AREA)
    if min(height - layout.height, width - layout.width) == 0:
        top, left = (height - layout.height) // 2, (width - layout.width) // 2
        return image[top : top + layout.height, left : left + layout.width]
    raise ValueError(
        f"images of {height}x{width} do not fit a model of {layout.height}x{layout.width}: align the faces to that size"
    )


def to_input(image: np.ndarray, table: np.ndarray, layout: InputLayout) -> np.ndarray:
    """Returns the model input, without batch dimension, for a uint8 RGB image (h, w, 3), fitted by `fitted`."""
    given = cv2.LUT(np.ascontiguousarray(fitted(image, layout)), table)
    return np.ascontiguousarray(given.transpose(2, 0, 1)) if layout.channels_first else given
