"""Plot of the signal-to-quantization-noise ratio over the tensors of a network.

>>> from seesaw_keras.reports.quantization_error_plot import plot_errors
>>> plot_errors(quantization_errors(float_model, int8_model, images), "errors.png")  # doctest: +SKIP
"""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from seesaw_keras.files import replacing
from seesaw_keras.reports.plot_style import BLUE, DPI, GRAY, ORANGE, styled
from seesaw_keras.tflite.analysis.quantization_error import TensorError, worst

__all__ = ["plot_errors"]

_SIZE = (11.0, 4.2)  # inches


def plot_errors(errors: list[TensorError], png: str | Path, count: int = 10) -> None:
    """Plots the signal-to-noise ratio of the tensors in execution order, and labels the worst ones.

    Args:
        errors: result of `quantization_errors`.
        png: output file.
        count: number of tensors to label.
    """
    figure = Figure(figsize=_SIZE, dpi=DPI, layout="constrained")
    axes = styled(
        figure.add_subplot(xlabel="tensor, in execution order", ylabel="signal-to-quantization-noise ratio [dB]")
    )
    indices = range(1, len(errors) + 1)
    axes.plot(indices, [error.own for error in errors], color=GRAY, linewidth=1, label="own rounding and clipping")
    axes.plot(indices, [error.total for error in errors], color=BLUE, linewidth=1.5, label="accumulated noise")
    for rank, error in enumerate(worst(errors, count), 1):
        index = errors.index(error) + 1
        axes.plot(index, error.total, "o", color=ORANGE, markersize=4, label=f"{rank}  {error.name}")
        aside = (0, -11 if rank % 2 else 5)  # alternate below and above, because neighbors overlap
        axes.annotate(str(rank), (index, error.total), aside, textcoords="offset points", ha="center", fontsize=7)
    axes.set_xlim(0, len(errors) + 1)
    figure.legend(loc="outside right upper", frameon=False, fontsize=7.5, handlelength=1.4)
    with replacing(png) as beside, beside.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
