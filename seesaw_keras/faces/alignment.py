"""Face alignment: a similarity transform that maps landmarks to the ArcFace template, and the warp that applies it.

>>> import numpy as np
>>> from seesaw_keras.faces.alignment import align
>>> photograph = np.zeros((250, 250, 3), np.uint8)
>>> align(photograph, np.array([[102.0, 112.0], [147.0, 112.0]])).shape
(112, 112, 3)
"""

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.inference.preprocessing import resize

__all__ = ["TEMPLATE", "TEMPLATE_SIZE", "align", "similarity_transform", "template", "warp"]

TEMPLATE_SIZE = 112
# InsightFace, python-package/insightface/utils/face_align.py, `arcface_dst`: (x, y) of the left eye, the right eye, the
# tip of the nose, the left and the right corner of the mouth, left and right as seen in the image.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE.setflags(write=False)

WARP_MAX_SIDE = 32766  # pixels; cv2.warpAffine keeps coordinates in 16 bits


def template(points: int = 5, *, size: int = TEMPLATE_SIZE) -> npt.NDArray[np.float64]:
    """Returns the landmark positions in an aligned crop.

    Args:
        points: 5, or 2 for the eyes alone.
        size: side of the crop in pixels; coordinates scale with it as in InsightFace (`arcface_dst * size / 112`).

    Returns:
        float64 (points, 2), (x, y) in pixels, in the order of `TEMPLATE`.

    Raises:
        ValueError: if `points` is neither 2 nor 5, or `size` is not positive.
    """
    if points not in (2, 5):
        raise ValueError(f"landmarks must be 2 (the eyes) or 5 (eyes, nose, corners of the mouth), got {points}")
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    return TEMPLATE[:points] * (size / TEMPLATE_SIZE)


def similarity_transform(source: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Fits rotation, uniform scale and translation, without reflection, by least squares.

    This is the solution of Umeyama (1991), "Least-squares estimation of transformation parameters between two point
    patterns", eq. 40 to 42. In the plane a rotation with scale is multiplication by a complex number, so the problem is
    linear and needs no singular value decomposition.

    Args:
        source: (n, 2) points (x, y), n >= 2, not all the same.
        target: (n, 2) points to map `source` to.

    Returns:
        float64 (2, 3), for `cv2.warpAffine`: `source @ m[:, :2].T + m[:, 2]` is near `target`.

    Raises:
        ValueError: if shapes differ, coordinates are not finite, or the points determine no transform.
    """
    source = np.asarray(source, np.float64)
    target = np.asarray(target, np.float64)
    if source.ndim != 2 or source.shape != target.shape or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(f"points must be two arrays (n, 2) with n >= 2, got {source.shape} and {target.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("points must be finite numbers")
    z, w = source @ [1, 1j], target @ [1, 1j]
    z_mean, w_mean = z.mean(), w.mean()
    z_spread = np.linalg.norm(z - z_mean)
    # Relative to the coordinates: centering leaves their rounding error if all points are the same.
    if z_spread <= 1e-12 * max(np.abs(source).max(), 1e-300):
        raise ValueError("degenerate points: all source points are equal, so scale and rotation are undefined")
    turn = np.vdot(z - z_mean, w - w_mean) / z_spread**2
    if np.abs(turn) * z_spread <= 1e-9 * np.linalg.norm(w - w_mean) or turn == 0:
        raise ValueError("degenerate points: the target is one point or a mirror image, and the best scale is zero")
    shift = w_mean - turn * z_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def warp(image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """Applies a similarity transform to an image and cuts out a square.

    Bilinear, black outside the image: the same pixels as InsightFace's `norm_crop`, down to a scale of one half. Below
    that, bilinear sampling would skip pixels, so a larger square is warped and averaged.

    Args:
        image: uint8 (height, width, 3) or (height, width).
        matrix: (2, 3), from pixels of the image to pixels of the square, from `similarity_transform`.
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3) or (size, size).
    """
    if max(image.shape[:2]) > WARP_MAX_SIDE:
        image, matrix = _cut_out(image, matrix, size)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    # Limited by the image's resolution, even if the landmarks are far apart and the scale is tiny.
    factor = int(np.clip(0.5 / scale, 1, max(1, max(image.shape[:2]) // size)))
    finer = matrix * factor
    finer[:, 2] += (factor - 1) / 2  # pixel centers: block i of `factor` pixels is centered on i * factor + this
    warped = cv2.warpAffine(image, finer, (size * factor, size * factor), flags=cv2.INTER_LINEAR)
    if factor > 1:
        return resize(warped, (size, size))  # type: ignore[arg-type]
    return warped  # type: ignore[return-value]


def _cut_out(
    image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Returns the part of an image that a warp reads, at least one pixel, and the transform from that part."""
    corners = np.array([[-1, -1], [size, -1], [-1, size], [size, size]], np.float64)
    around = cv2.transform(corners[None], cv2.invertAffineTransform(matrix))[0]
    last = np.array(image.shape[1::-1]) - 1
    low = np.clip(np.floor(around.min(axis=0)), 0, last).astype(int)
    high = np.clip(np.ceil(around.max(axis=0)), low, np.minimum(last, low + WARP_MAX_SIDE - 1)).astype(int)
    from_there = matrix.copy()
    from_there[:, 2] += matrix[:, :2] @ low
    return image[low[1] : high[1] + 1, low[0] : high[0] + 1], from_there


def align(
    image: npt.NDArray[np.uint8], landmarks: npt.ArrayLike, *, size: int = TEMPLATE_SIZE
) -> npt.NDArray[np.uint8]:
    """Crops a face so that its landmarks match the ArcFace template.

    Args:
        image: uint8 (height, width, 3), RGB.
        landmarks: (5, 2) in the order of `TEMPLATE`, or (2, 2) for the eyes alone; pixels of `image`.
        size: side of the crop in pixels.

    Returns:
        uint8 (size, size, 3), RGB, black where the crop extends beyond the image.

    Raises:
        ValueError: if the landmarks have another shape, are not finite, or are all at one point.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.ndim != 2:
        raise ValueError(f"landmarks must be an array (5, 2) or (2, 2), got {landmarks.shape}")
    return warp(image, similarity_transform(landmarks, template(len(landmarks), size=size)), size)
