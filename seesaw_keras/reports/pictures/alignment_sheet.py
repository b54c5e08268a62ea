"""Contact sheet of photos with their detections, each next to its aligned faces.

>>> from seesaw_keras.reports.pictures.alignment_sheet import contact_sheet
>>> picture = contact_sheet(run.photographs, list(run), title="My photographs")  # doctest: +SKIP
>>> picture.shape[1], picture.dtype  # doctest: +SKIP
(1620, dtype('uint8'))
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any
from unicodedata import east_asian_width

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.data.formats.image_files import ImageFiles, printable
from seesaw_keras.data.images import decode_image
from seesaw_keras.faces.alignment import TEMPLATE_SIZE, align
from seesaw_keras.faces.face import Face
from seesaw_keras.faces.photographs import NO_FACE, Finding
from seesaw_keras.inference.preprocessing import resize

__all__ = ["contact_sheet"]

WIDTH = 1620
MARGIN = 24
GAP = 8  # between the images of a card
PADDING = 10  # inside a card
CARD_GAP = 12
CAPTION = 20  # height of the line below an image
TILE = TEMPLATE_SIZE
LETTER = 7.2  # average character width in captions
GROUP_HEIGHT = 2 * TILE + CAPTION + GAP  # height of a photo with several faces: two rows of crops
MIN_DOTTED = 60  # minimum width of a face for drawing its landmarks, which would hide smaller faces
MIN_BOLD = 20  # minimum width of a face for a thick box
MAX_FOUND, MAX_NOT_FOUND = 96, 30  # maximum number of photos per sheet, sampled at even spacing
MAX_FACES = 36  # maximum per photo, which keeps the sheet below Matplotlib's limit of 65,536 pixels

PAPER, CARD, INK, MUTED = (255, 255, 255), (241, 243, 245), (33, 37, 41), (110, 118, 125)
GREEN, ORANGE, GRAY, RED = (18, 150, 90), (226, 120, 0), (190, 196, 202), (200, 40, 40)

# Matplotlib's default first, then fonts for scripts that it does not cover.
FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Microsoft YaHei",
    "Malgun Gothic",
)

_Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Text:
    x: float
    y: float  # baseline
    words: str
    pixels: int = 12
    color: tuple[int, int, int] = MUTED
    bold: bool = False
    to_the_left: bool = False  # whether the text ends at x instead of starting there


@dataclass
class _Card:
    """Images and captions of one photo, positioned relative to the card's top-left corner."""

    pictures: list[tuple[int, int, _Picture]] = field(default_factory=list)
    texts: list[_Text] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        right = max(x + picture.shape[1] for x, _, picture in self.pictures)
        below = max(y + picture.shape[0] for _, y, picture in self.pictures)
        return right + PADDING, below + CAPTION + PADDING


def contact_sheet(photographs: ImageFiles, findings: Sequence[Finding], *, title: str) -> _Picture:
    """Draws a contact sheet of photos with faces and, below, photos without faces.

    Args:
        photographs: the image files.
        findings: detection results; if there are many, an evenly spaced sample is drawn.
        title: the heading.

    Returns:
        uint8 RGB (height, 1620, 3).
    """
    found = [finding for finding in findings if finding.faces]
    missed = [finding for finding in findings if not finding.faces]
    without = sum(finding.problem == NO_FACE for finding in missed)
    crops = sum(len(finding.crops) for finding in found)
    pictures: list[tuple[int, int, _Picture]] = []
    counts = f"{len(findings):,} photographs   {crops:,} faces aligned   {without:,} without a face   "
    texts = [
        _Text(MARGIN, MARGIN + 24, title, 26, INK, bold=True),
        _Text(MARGIN, MARGIN + 52, counts + f"{len(missed) - without:,} unreadable", 15, INK),
    ]
    legend = (("aligned", GREEN), ("aligned, eyes estimated", ORANGE), ("other face", GRAY))
    right = WIDTH - MARGIN
    for words, color in legend[::-1]:
        right -= int(7.8 * len(words)) + 26
        pictures.append((right, MARGIN + 41, np.full((12, 12, 3), color, np.uint8)))
        texts.append(_Text(right + 18, MARGIN + 52, words, 13))
    bottom = MARGIN + 72
    for heading, part, limit in (("With faces", found, MAX_FOUND), ("Without faces", missed, MAX_NOT_FOUND)):
        if part:
            shown = [part[k] for k in np.linspace(0, len(part) - 1, min(limit, len(part))).round().astype(int)]
            words = heading if len(shown) == len(part) else f"{heading}: {len(shown)} of {len(part):,}, evenly spaced"
            texts.append(_Text(MARGIN, bottom + 18, words, 16, INK, bold=True))
            bottom = _place([_card(photographs, finding) for finding in shown], bottom + 32, pictures, texts) + 20
    return _render(bottom - 20 + MARGIN, pictures, texts)


def _card(photographs: ImageFiles, finding: Finding) -> _Card:
    card = _Card()
    name = printable(finding.name)
    try:
        image = decode_image(photographs.read(finding.name), name=finding.name)
    except ValueError:
        card.pictures.append((PADDING, PADDING, np.full((TILE, 2 * TILE, 3), 222, np.uint8)))
        card.texts.append(_Text(PADDING + 12, PADDING + TILE / 2, "unreadable", 13, RED, bold=True))
        card.texts.append(_caption(name, PADDING, PADDING + TILE, 2 * TILE))
        return card
    drawn = finding.faces[: min(len(finding.crops), MAX_FACES)]
    if len(finding.crops) > MAX_FACES:
        name += f" and {len(finding.crops) - MAX_FACES} more"
    photograph = _photograph(image, finding, GROUP_HEIGHT if len(drawn) > 1 else TILE)
    height, width = photograph.shape[:2]
    card.pictures.append((PADDING, PADDING, photograph))
    card.texts.append(_caption(name, PADDING, PADDING + height, width + (TILE + GAP if len(drawn) == 1 else 0) - 36))
    left = PADDING + width + GAP
    columns = max(1, (WIDTH - 2 * MARGIN - left - PADDING + GAP) // (TILE + GAP))
    if len(drawn) <= 2 * columns:
        columns = max(1, -(-len(drawn) // (2 if len(drawn) > 1 else 1)))
    for k, face in enumerate(drawn):
        x, y = left + k % columns * (TILE + GAP), PADDING + k // columns * (TILE + CAPTION + GAP)
        card.pictures.append((x, y, align(image, face.landmarks)))
        score = f"{face.score:.2f}" if face.score <= 1 else f"{face.score:.0f}"
        color = ORANGE if face.landmarks_estimated else GREEN
        card.texts.append(_Text(x + TILE, y + TILE + 14, score, 12, color, bold=True, to_the_left=True))
    return card


def _caption(name: str, x: int, y: int, width: int) -> _Text:
    """Returns a caption with the path, or as much of its end as fits."""
    shown = name if _width(name) <= width else PurePosixPath(name).name
    if _width(shown) > width:
        while shown and _width("…" + shown) > width:
            shown = shown[1:]
        shown = "…" + shown
    return _Text(x, y + 14, shown)


def _width(words: str) -> float:
    return LETTER * sum(2 if east_asian_width(letter) in "WF" else 1 for letter in words)


def _photograph(image: _Picture, finding: Finding, height: int) -> _Picture:
    """Returns the photo scaled to a height, at most twice as wide, with boxes and landmarks drawn."""
    scale = min(height / image.shape[0], 2 * height / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = resize(image, size).copy()
    for k, face in reversed(list(enumerate(finding.faces))):
        _draw_face(canvas, face, scale, aligned=k < len(finding.crops))
    return canvas


def _draw_face(canvas: _Picture, face: Face, scale: float, *, aligned: bool) -> None:
    color = (ORANGE if face.landmarks_estimated else GREEN) if aligned else GRAY
    x, y, width, height = (int(value) for value in np.round(face.box * scale))
    cv2.rectangle(canvas, (x, y), (x + width, y + height), color, 2 if aligned and width > MIN_BOLD else 1, cv2.LINE_AA)
    if not aligned or width < MIN_DOTTED:
        return
    for point in face.landmarks * scale:
        at = (int(point[0] * 16), int(point[1] * 16))  # sixteenths of a pixel
        cv2.circle(canvas, at, 3 * 16, PAPER, -1, cv2.LINE_AA, shift=4)
        cv2.circle(canvas, at, 2 * 16, color, -1, cv2.LINE_AA, shift=4)


def _place(cards: list[_Card], top: int, pictures: list[tuple[int, int, _Picture]], texts: list[_Text]) -> int:
    """Arranges cards in rows and returns the y coordinate of the end of the last row."""
    x, row = MARGIN, 0
    for card in cards:
        width, height = card.size
        if x > MARGIN and x + width > WIDTH - MARGIN:
            x, top, row = MARGIN, top + row + CARD_GAP, 0
        pictures.append((x, top, np.full((height, width, 3), CARD, np.uint8)))
        pictures += [(x + left, top + above, picture) for left, above, picture in card.pictures]
        texts += [replace(text, x=x + text.x, y=top + text.y) for text in card.texts]
        x, row = x + width + CARD_GAP, max(row, height)
    return top + row


def _render(height: int, pictures: list[tuple[int, int, _Picture]], texts: list[_Text]) -> _Picture:
    # Text is drawn with Matplotlib, because OpenCV only supports ASCII.
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    installed = {font.name for font in font_manager.fontManager.ttflist}
    fonts = [font for font in FONTS if font in installed]
    canvas = np.full((height, WIDTH, 3), PAPER, np.uint8)
    for x, y, picture in pictures:
        canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture[:, : WIDTH - x]
    figure: Any = Figure(figsize=(WIDTH / 100, height / 100), dpi=100)
    agg = FigureCanvasAgg(figure)
    figure.figimage(canvas)
    for text in texts:
        figure.text(
            text.x / WIDTH,
            1 - text.y / height,
            text.words,
            fontsize=text.pixels * 0.72,
            color=tuple(value / 255 for value in text.color),
            family=fonts,
            ha="right" if text.to_the_left else "left",
            weight="bold" if text.bold else "normal",
            parse_math=False,  # for file names such as $1$.jpg
        )
    with warnings.catch_warnings():  # characters missing in all fonts are drawn as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing")
        agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3].copy()
