"""Contact sheets of identities, and of the views used for teacher and student.

>>> from seesaw_keras.reports.pictures.face_sheets import face_sheet
>>> from seesaw_keras.data.synthetic import SyntheticFaces
>>> face_sheet(SyntheticFaces(4, 6), identities=4, images=6).shape
(468, 768, 3)
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.degradation import UNIFORMS, degrade
from seesaw_keras.data.images import decode_image, decode_square
from seesaw_keras.data.order import random_uniforms
from seesaw_keras.data.records import Record, Source
from seesaw_keras.data.views import Views, image_key
from seesaw_keras.inference.preprocessing import resize

__all__ = ["face_sheet", "view_sheet"]

GAP = 4
MARGIN = 72  # left margin for the identity name
LETTERS = 9  # number of characters that fit into the margin
LETTER_SCALE = 0.38
PAPER, INK = 250, (40, 40, 40)


def face_sheet(source: Source, *, identities: int, images: int, size: int = 112) -> npt.NDArray[np.uint8]:
    """Draws the first identities of a data set, with the first images of each.

    Args:
        source: the data set.
        identities: maximum number of rows.
        images: maximum number of columns.
        size: side of each image in pixels; images are resized to it.

    Returns:
        uint8 RGB (height, width, 3). Each row starts with the identity's folder name, or its label if there is none.

    Raises:
        ValueError: if an argument is below 1, the source is empty, or an image cannot be decoded.
    """
    for name, number in (("identities", identities), ("images", images), ("size", size)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, got {number}")
    rows = _first_positions(source.labels(), identities, images)
    if not rows:
        raise ValueError("the data set has no images to show")
    titled = []
    for row in rows:
        records = [source[position] for position in row]
        faces = [decode_image(record.image, name=record.name) for record in records]
        titled.append((_title(records[0]), faces))
    return _draw(titled, size)


def view_sheet(source: Source, *, images: int, views: Views, size: int = 112) -> npt.NDArray[np.uint8]:
    """Draws the first image of the first identities in two rows each: its views, and the degraded views.

    Args:
        source: a data set of square images.
        images: maximum number of images.
        views: the views, one per column.
        size: side of each image in pixels.

    Returns:
        uint8 RGB (height, width, 3): the original image followed by the views, as input of the teacher (upper row) and
        degraded as for the student (lower row).

    Raises:
        ValueError: if an argument is below 1, the source is empty, or an image cannot be decoded or is not square.
    """
    for name, number in (("images", images), ("size", size)):
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, got {number}")
    rows = []
    for (position,) in _first_positions(source.labels(), images, 1):
        record = source[position]
        image, key = decode_square(record), image_key(record.image)
        shown = [views.render(image, key, view) for view in range(len(views))]
        degraded = [
            degrade(face, random_uniforms(0, view, position, UNIFORMS)) for view, face in enumerate([image, *shown])
        ]
        rows += [("teacher", [image, *shown]), ("student", degraded)]
    if not rows:
        raise ValueError("the data set has no images to show")
    return _draw(rows, size)


def _draw(rows: Sequence[tuple[str, Sequence[npt.NDArray[np.uint8]]]], size: int) -> npt.NDArray[np.uint8]:
    """Draws rows of images, each with its title in the margin."""
    step = size + GAP
    columns = max(len(pictures) for _, pictures in rows)
    sheet = np.full((GAP + len(rows) * step, MARGIN + columns * step, 3), PAPER, np.uint8)
    for number, (title, pictures) in enumerate(rows):
        top = GAP + number * step
        index = (GAP, top + size // 2)
        cv2.putText(sheet, title, index, cv2.FONT_HERSHEY_SIMPLEX, LETTER_SCALE, INK, 1, cv2.LINE_AA)
        for column, picture in enumerate(pictures):
            left = MARGIN + column * step
            sheet[top : top + size, left : left + size] = _fit(picture, size)
    return sheet


def _title(record: Record) -> str:
    """Returns the folder name of the image, or its label if there is none or the name is not ASCII."""
    folder = record.name.rpartition("/")[0].rpartition("/")[2]
    return folder[:LETTERS] if folder and folder.isascii() else str(record.label)


def _fit(image: np.ndarray, size: int) -> np.ndarray:
    """Scales an image to fit into a square and centers it on the background."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.full((size, size, 3), PAPER, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = resize(image, (width, height), growing=cv2.INTER_CUBIC)
    return square


def _first_positions(labels: npt.NDArray[np.int64], identities: int, images: int) -> list[list[int]]:
    """Returns the indices of the first images of the first identities, in source order."""
    rows: dict[int, list[int]] = {}
    for position, label in enumerate(labels.tolist()):
        if label not in rows and len(rows) == identities:
            continue
        row = rows.setdefault(label, [])
        if len(row) < images:
            row.append(position)
    return list(rows.values())
