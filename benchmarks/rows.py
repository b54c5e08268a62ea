"""JSON Lines files with one finished row per line, from which an interrupted benchmark resumes."""

import json
from pathlib import Path
from typing import Any

from seesaw_keras.files import replacing

__all__ = ["read_rows", "write_rows"]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a file; empty if it does not exist.

    Raises:
        ValueError: if the file is not in JSON Lines format.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON Lines file of this benchmark ({error}); give another file") from error


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes all rows atomically."""
    with replacing(path) as beside:
        beside.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
