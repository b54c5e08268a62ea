"""Self-contained HTML pages from the Jinja2 templates in `templates/`.

>>> from seesaw_keras.reports.pages import write_html
>>> write_html("report.html", "verification.html", title="LFW")  # doctest: +SKIP
"""

import base64
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from seesaw_keras.files import replacing

__all__ = ["Table", "write_html"]

Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # head and rows, for the macro `table`


def write_html(path: str | Path, template: str, **values: Any) -> None:
    """Fills a template; text is escaped.

    Args:
        path: output file, written atomically.
        template: file name of the template.
        values: all variables of the template.

    Raises:
        jinja2.UndefinedError: if a variable is missing.
    """
    page = _environment().get_template(template).render(values)
    with replacing(path) as beside:
        beside.write_text(page, "utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seesaw_keras.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment


def _data_uri(image: bytes) -> str:
    """Returns the data URI of an encoded PNG or JPEG image."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
