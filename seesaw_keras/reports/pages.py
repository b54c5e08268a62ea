"""What HTML pages of this package share: their style, tables, and pictures inside of the file.

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
    """Returns a table of plain text."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def cards(rows: Iterable[tuple[str, str, str]]) -> str:
    """Returns the figures one looks for first, large: (name, value, note) of plain text each."""
    return "".join(
        f'<div class="card"><div class="name">{html.escape(name)}</div><div class="value">{html.escape(value)}</div>'
        f'<div class="interval">{html.escape(note)}</div></div>'
        for name, value, note in rows
    )


def picture(png: bytes, caption: str) -> str:
    """Returns a diagram with its caption."""
    return (
        f'<figure><img class="plot" alt="{html.escape(caption)}" src="{data_uri(png, "png")}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def data_uri(data: bytes, kind: str) -> str:
    """Returns an address that holds a picture itself.

    Args:
        data: the encoded picture.
        kind: "png" or "jpeg".
    """
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
