"""Plots of a training history. Does not import TensorFlow.

>>> from seesaw_keras.reports.training_curves import plot_history
>>> plot_history("runs/paper/history.csv", "curves.png")  # doctest: +SKIP
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seesaw_keras.files import replacing
from seesaw_keras.reports.plot_style import BLUE, DPI, GRAY, GREEN, ORANGE, styled
from seesaw_keras.training.callbacks.callback import Callback, Run
from seesaw_keras.training.callbacks.history import HISTORY, read_history

__all__ = ["CURVES", "TrainingCurves", "plot_history"]

CURVES = "curves.png"

COLORS = (
    BLUE,
    ORANGE,
    GREEN,
    GRAY,
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)  # those of plot_style.py, then the rest of the Okabe-Ito palette
PANEL = (6.0, 3.1)  # inches
FEW = 60  # maximum number of points to draw with markers
LEARNING_RATE = "learning rate"
LOWEST_RATE = 1e-4  # lower axis limit relative to the peak: the axis is logarithmic, and schedules may end at 0
ANGLES = {"target_angle": "own class", "other_angle": "nearest other class"}

_Columns = Mapping[str, npt.NDArray[np.float64]]


class TrainingCurves(Callback):
    """Plots `history.csv` to `curves.png` at the end of training; must be listed after `History`."""

    def end(self, run: Run) -> None:
        """Plots the curves."""
        plot_history(run.out / HISTORY, run.out / CURVES)


def plot_history(history: str | Path, png: str | Path) -> None:
    """Plots loss, angles, validation accuracy and learning rate over the epochs, if available.

    Args:
        history: path of `history.csv`.
        png: output file.

    Raises:
        FileNotFoundError: if the history does not exist.
        ValueError: if the file is not a training history or has no rows.
    """
    columns = read_history(history)
    if not columns["step"].size:
        raise ValueError(f"{history}: no rows to plot")
    panels = _panels(columns)
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(2 * PANEL[0], rows * PANEL[1]), dpi=DPI, layout="constrained")
    for index, (label, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, 2, index, xlabel="epoch", ylabel=label)
        _draw(axes, _epochs(columns), curves)
    with replacing(png) as beside, beside.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)


def _epochs(columns: _Columns) -> npt.NDArray[np.float64]:
    """Returns the epoch of every row, interpolated from the step for rows that only contain a validation."""
    known = np.isfinite(columns["epoch"])
    if not known.any():
        return columns["step"]
    return np.interp(columns["step"], columns["step"][known], columns["epoch"][known])


def _panels(columns: _Columns) -> dict[str, _Columns]:
    """Returns the curves of each panel, by axis label and curve name."""
    parts = {name.removeprefix("loss_"): values for name, values in columns.items() if name.startswith("loss_")}
    panels: dict[str, _Columns] = {
        "loss": {"sum": columns["loss"], **parts} if len(parts) > 1 else {"": columns["loss"]},
        LEARNING_RATE: {"": columns["learning_rate"]},
        "angle to class centers [degrees]": {label: columns[name] for name, label in ANGLES.items() if name in columns},
        "verification accuracy [%]": {
            name.removesuffix("_accuracy"): values for name, values in columns.items() if name.endswith("_accuracy")
        },
    }
    return {label: curves for label, curves in panels.items() if any(np.isfinite(row).any() for row in curves.values())}


def _draw(axes: Axes, epochs: npt.NDArray[np.float64], curves: _Columns) -> None:
    styled(axes)
    for (name, values), color in zip(curves.items(), itertools.cycle(COLORS)):
        known = np.isfinite(values)
        style: dict[str, Any] = {"marker": "o", "markersize": 3} if known.sum() <= FEW else {}
        axes.plot(epochs[known], values[known], color=color, linewidth=1.5, label=name, **style)
    axes.set_xlim(0, epochs.max())
    if any(curves):
        axes.legend(frameon=False)
    highest = max(np.nanmax(values, initial=0) for values in curves.values())
    if axes.get_ylabel() == LEARNING_RATE and highest > 0:
        axes.set_yscale("log")
        axes.set_ylim(bottom=LOWEST_RATE * highest)
