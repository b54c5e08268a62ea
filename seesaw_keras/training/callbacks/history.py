"""Training history as a CSV file: `history.csv` in the output folder, one row every N steps. No TensorFlow import.

>>> from seesaw_keras.training.callbacks.history import read_history
>>> history = read_history("runs/paper/history.csv")  # doctest: +SKIP
>>> history["step"], history["loss"]  # doctest: +SKIP
(array([20., 40., 60.]), array([42.1, 40.7, 39.8]))

A row holds the means over the steps since the previous row. Validation metrics are in the row of their step and empty
in all others. The file of a killed run remains readable; resuming from a checkpoint removes the rows after it, so no
step appears twice.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seesaw_keras.files import replacing
from seesaw_keras.training.callbacks.callback import Callback, Run, StepLog, ValidationReport
from seesaw_keras.training.callbacks.step_means import StepMeans

__all__ = ["HISTORY", "History", "read_history"]

HISTORY = "history.csv"
_LEADING = ["step", "epoch", "loss", "learning_rate", "images_per_second"]

_Row = dict[str, str]


class History(Callback):
    """Writes `history.csv` during training.

    Args:
        every: number of steps averaged per row.

    Raises:
        ValueError: if `every` is below 1; from `begin`, if an existing `history.csv` is not a training history.
    """

    def __init__(self, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 or more, got {every}")
        self._every = every
        self._averages = StepMeans()
        self._metrics: dict[str, float] = {}
        self._columns = list(_LEADING)

    def begin(self, run: Run) -> None:
        """Removes the rows after the step from which training resumes."""
        self._path = run.out / HISTORY
        rows: list[_Row] = []
        if self._path.exists():
            self._columns, rows = _read(self._path)
        self._rewrite(row for row in rows if float(row["step"]) <= run.first_step)

    def step(self, report: StepLog) -> None:
        """Writes a row once `every` steps have accumulated."""
        # Written at the following step, because the metrics of a validation after a step belong in the step's row.
        if len(self._averages) >= self._every or self._metrics:
            self._write()
        self._averages.add(report)

    def validated(self, report: ValidationReport) -> None:
        """Stores the metrics for the row of this step."""
        self._metrics |= {"step": report.step, **report.metrics}

    def checkpoint(self, step: int, path: Path) -> None:
        """Writes the pending row, because a restart resumes after this step."""
        self._write()

    def end(self, run: Run) -> None:
        """Writes the last row."""
        self._write()

    def _write(self) -> None:
        row = {name: f"{value:.8g}" for name, value in (self._averages.take() | self._metrics).items()}
        self._metrics = {}
        if not row:
            return
        new = [name for name in row if name not in self._columns]
        if new:
            _, rows = _read(self._path)
            self._columns += new
            self._rewrite([*rows, row])
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_lines([row], self._columns))

    def _rewrite(self, rows: Iterable[_Row]) -> None:
        with replacing(self._path) as beside:
            beside.write_text(",".join(self._columns) + "\n" + _lines(rows, self._columns), "utf-8")


def _lines(rows: Iterable[_Row], columns: list[str]) -> str:
    """Returns rows as text, to be written in a single call, so that a kill loses only whole rows."""
    return "".join(",".join(row.get(name, "") for name in columns) + "\n" for row in rows)


def _read(path: Path) -> tuple[list[str], list[_Row]]:
    """Returns the columns and the rows, without an incomplete last line."""
    whole, newline, _ = path.read_bytes().decode("utf-8", errors="replace").rpartition("\n")
    head, *lines = whole.split("\n")
    columns = head.split(",")
    if columns[: len(_LEADING)] != _LEADING or not newline:
        raise ValueError(f"{path}: not a training history, which starts with {','.join(_LEADING)}; move it away")
    rows = []
    for number, line in enumerate(lines, 2):
        cells = line.split(",")
        if len(cells) != len(columns) or not cells[0] or not all(_is_number(cell) for cell in cells if cell):
            raise ValueError(
                f"{path}, line {number}: expected {len(columns)} numbers, the first a step; correct the line or move "
                "the file away"
            )
        rows.append(dict(zip(columns, cells, strict=True)))
    return columns, rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_history(path: str | Path) -> dict[str, npt.NDArray[np.float64]]:
    """Reads a training history.

    Args:
        path: path of `history.csv`; the run may still be active or have been killed.

    Returns:
        The columns, (rows,) each, by name; NaN for missing values.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if the file is not a training history; the message names the line.
    """
    columns, rows = _read(Path(path))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in columns}
