"""A training's course as a picture. No TensorFlow import.

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
from seesaw_keras.training.callbacks.callback import Monitor, Run
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
)  # after plot_style.py: the rest of Okabe and Ito's
PANEL = (6.0, 3.1)  # inches
FEW = 60  # points up to which each gets a mark
LEARNING_RATE = "learning rate"
LOWEST_RATE = 1e-4  # of the highest: a schedule that ends at 0 has no lower end on a logarithmic axis
ANGLES = {"target_angle": "own class", "other_angle": "nearest other class"}

_Columns = Mapping[str, npt.NDArray[np.float64]]


class TrainingCurves(Monitor):
    """Draws `history.csv` as `curves.png` at the end of a training; it must come after `History`."""

    def end(self, run: Run) -> None:
        """Draws the curves."""
        plot_history(run.out / HISTORY, run.out / CURVES)


def plot_history(history: str | Path, png: str | Path) -> None:
    """Draws loss, angles, accuracy of the validations and learning rate over the epochs, as far as there are any.

    Args:
        history: `history.csv` of a training.
        png: the picture to write.

    Raises:
        FileNotFoundError: there is no such history.
        ValueError: it is no history, or has no rows.
    """
    columns = read_history(history)
    if not columns["step"].size:
        raise ValueError(f"{history}: no rows to draw")
    panels = _panels(columns)
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(2 * PANEL[0], rows * PANEL[1]), dpi=DPI, layout="constrained")
    for place, (label, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, 2, place, xlabel="epoch", ylabel=label)
        _draw(axes, _epochs(columns), curves)
    with replacing(png) as beside, beside.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)


def _epochs(columns: _Columns) -> npt.NDArray[np.float64]:
    """Fills in the epoch of rows that hold a validation only: both it and the step are linear."""
    known = np.isfinite(columns["epoch"])
    if not known.any():
        return columns["step"]
    return np.interp(columns["step"], columns["step"][known], columns["epoch"][known])


def _panels(columns: _Columns) -> dict[str, _Columns]:
    """Returns axis label -> curve's name -> values."""
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
