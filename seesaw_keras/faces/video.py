"""Video frames at a fixed interval.

>>> from seesaw_keras.faces.video import frames
>>> for seconds, image in frames("door.mp4", every=1.0):  # doctest: +SKIP
...     print(round(seconds), image.shape)
0 (720, 1280, 3)
1 (720, 1280, 3)
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.native import quiet_native_stderr

__all__ = ["VIDEO_SUFFIXES", "frames"]

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})


def frames(path: str | Path, *, every: float = 1.0) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """Yields frames of a video: the first one, then one after each `every` seconds.

    Args:
        path: the video, in any format that OpenCV's FFmpeg reads.
        every: seconds; 0 for all frames.

    Yields:
        Seconds from the start, and the frame as uint8 RGB (height, width, 3), upright.

    Raises:
        ValueError: the video cannot be read, or `every` is negative.
    """
    if not every >= 0:
        raise ValueError(f"every must be 0 seconds or more, got {every}")
    with quiet_native_stderr():
        video = cv2.VideoCapture(str(path))
    try:
        following, count = 0.0, 0
        while True:
            with quiet_native_stderr():
                taken = video.grab()
                seconds = video.get(cv2.CAP_PROP_POS_MSEC) / 1000  # of the frame just grabbed
                bgr = video.retrieve()[1] if taken and seconds >= following - 1e-6 else None
            if not taken:
                break
            if bgr is not None:
                following = seconds + every
                count += 1
                yield seconds, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[misc]
        if not count:
            raise ValueError(f"{path}: cannot be read as a video")
    finally:
        video.release()
