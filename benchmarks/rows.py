"""Files of JSON lines, one a finished row, from which a benchmark goes on when it is started again."""

import json
from pathlib import Path
from typing import Any

from seesaw_keras.files import replacing

__all__ = ["read_rows", "write_rows"]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a file, none if there is no file.

    Raises:
        ValueError: the file holds anything else than JSON lines.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{path}: no JSON lines of this benchmark ({error}); name another file") from error


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes all rows, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
