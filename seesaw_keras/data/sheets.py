"""Contact sheets: a row an identity, a column an image.

>>> from seesaw_keras.data.sheets import face_sheet
>>> from seesaw_keras.data.synthetic import SyntheticFaces
>>> face_sheet(SyntheticFaces(4, 6), identities=4, images=6).shape
(468, 768, 3)
"""

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Record, Source

__all__ = ["face_sheet"]

GAP = 4
MARGIN = 72  # for the name of the identity
LETTERS = 9  # that fit into the margin
LETTER_SCALE = 0.38
PAPER, INK = 250, (40, 40, 40)


def face_sheet(source: Source, *, identities: int, images: int, size: int = 112) -> npt.NDArray[np.uint8]:
    """Draws the first identities of a data set, with the first images of each.

    Args:
        source: the data set.
        identities: rows, at most; fewer if the source has fewer.
        images: columns, at most.
        size: side of one picture in pixels; others are resized to it.

    Returns:
        uint8 RGB (height, width, 3): each row begins with the identity's folder, or its label if it has none.

    Raises:
        ValueError: if a number is below 1, the source is empty, or an image cannot be decoded.
    """
    for name, number in (("identities", identities), ("images", images), ("size", size)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, got {number}")
    rows = _first_positions(source.labels(), identities, images)
    if not rows:
        raise ValueError("the data set has no images to show")
    step = size + GAP
    columns = max(len(row) for row in rows)
    sheet = np.full((GAP + len(rows) * step, MARGIN + columns * step, 3), PAPER, np.uint8)
    for number, row in enumerate(rows):
        top = GAP + number * step
        records = [source[position] for position in row]
        place = (GAP, top + size // 2)
        cv2.putText(sheet, _title(records[0]), place, cv2.FONT_HERSHEY_SIMPLEX, LETTER_SCALE, INK, 1, cv2.LINE_AA)
        for column, record in enumerate(records):
            left = MARGIN + column * step
            sheet[top : top + size, left : left + size] = _fit(decode_image(record.image, name=record.name), size)
    return sheet


def _title(record: Record) -> str:
    """Returns the folder of the image, or the label if it has none or OpenCV's letters cannot write it."""
    folder = record.name.rpartition("/")[0].rpartition("/")[2]
    return folder[:LETTERS] if folder and folder.isascii() else str(record.label)


def _fit(image: np.ndarray, size: int) -> np.ndarray:
    """Scales an image until it fits the square, in whose middle it lies on paper."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    square = np.full((size, size, 3), PAPER, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=interpolation)
    return square


def _first_positions(labels: npt.NDArray[np.int64], identities: int, images: int) -> list[list[int]]:
    """Returns the positions of the first images of the first identities, in the order of the source."""
    rows: dict[int, list[int]] = {}
    for position, label in enumerate(labels.tolist()):
        if label not in rows and len(rows) == identities:
            continue
        row = rows.setdefault(label, [])
        if len(row) < images:
            row.append(position)
    return list(rows.values())
