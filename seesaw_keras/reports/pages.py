"""Shared parts of the HTML reports: style sheet, tables and embedded images.

>>> from seesaw_keras.reports.pages import table
>>> table(("name", "value"), [("LFW", "99.6 %")])
'<table><thead><tr><th>name</th><th>value</th></tr></thead><tbody><tr><td>LFW</td><td>99.6 %</td></tr></tbody></table>'
"""

import base64
import html
from collections.abc import Iterable, Sequence
from importlib import resources

__all__ = ["cards", "data_uri", "picture", "style", "table"]


def style() -> str:
    """Returns the style sheet."""
    return resources.files("seesaw_keras.reports").joinpath("pages.css").read_text("utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns an HTML table; cells are plain text."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def cards(rows: Iterable[tuple[str, str, str]]) -> str:
    """Returns key metrics as HTML cards, given (name, value, note) in plain text."""
    return "".join(
        f'<div class="card"><div class="name">{html.escape(name)}</div><div class="value">{html.escape(value)}</div>'
        f'<div class="interval">{html.escape(note)}</div></div>'
        for name, value, note in rows
    )


def picture(png: bytes, caption: str) -> str:
    """Returns a plot with its caption as an HTML figure."""
    return (
        f'<figure><img class="plot" alt="{html.escape(caption)}" src="{data_uri(png, "png")}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def data_uri(data: bytes, kind: str) -> str:
    """Returns a data URI of an image.

    Args:
        data: the encoded image.
        kind: "png" or "jpeg".
    """
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
