"""Plots of the verification report as PNG bytes; no display required.

>>> from pathlib import Path
>>> from seesaw_keras.reports.verification_plots import score_histogram
>>> Path("scores.png").write_bytes(score_histogram(result.scores, result.same, threshold=0.3))  # doctest: +SKIP
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from seesaw_keras.reports.plot_style import BLUE, DPI, GRAY, GREEN, INK, ORANGE, styled
from seesaw_keras.verification.metrics import Roc

__all__ = ["det_curves", "roc_curves", "score_change", "score_histogram"]

SIZE = (5.0, 3.9)
COMPACT: Mapping[str, Any] = {"fontsize": 8.5, "handlelength": 1.4, "columnspacing": 1.2}


def _axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    return figure, styled(figure.add_subplot(xlabel=x_label, ylabel=y_label))


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()


def _percent(value: float, _position: int) -> str:
    return f"{100 * value:g}%"


def _log_far(axes: Axes, curves: Mapping[str, Roc]) -> float:
    """Makes the FAR axis logarithmic, starting at half of one false accept; returns the start."""
    start = min(0.5 / curve.impostor for curve in curves.values())
    axes.set_xscale("log")
    axes.set_xlim(start, 1)
    axes.xaxis.set_minor_formatter(NullFormatter())
    return start


def _from_first_false_accept(curve: Roc) -> tuple[np.ndarray, np.ndarray]:
    """Returns FAR and TAR from the last point with zero FAR on; the part before it is a vertical line."""
    start = int(np.flatnonzero(curve.far == 0)[-1])
    return curve.far[start:], curve.tar[start:]


def roc_curves(curves: Mapping[str, Roc]) -> bytes:
    """Plots TAR over logarithmic FAR, one curve per name; the TAR axis is limited to the range of the curves."""
    figure, axes = _axes("FAR (false accept rate)", "TAR (true accept rate)")
    start = _log_far(axes, curves)
    for (name, curve), color in zip(curves.items(), (BLUE, ORANGE), strict=False):
        far, tar = _from_first_false_accept(curve)
        axes.step(np.maximum(far, start), tar, where="post", color=color, linewidth=1.8, label=name)
    lowest = min(_from_first_false_accept(curve)[1][0] for curve in curves.values())
    axes.set_ylim(max(0.0, lowest - 0.1 * (1 - lowest) - 0.005), 1.002)
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.legend(loc="lower right", frameon=False)
    return _png(figure)


def det_curves(curves: Mapping[str, Roc]) -> bytes:
    """Plots FRR over FAR, both logarithmic; on the diagonal both errors are equal."""
    figure, axes = _axes("FAR (false accept rate)", "FRR (false reject rate, 1 - TAR)")
    start = _log_far(axes, curves)
    least = min(0.5 / curve.genuine for curve in curves.values())
    for (name, curve), color in zip(curves.items(), (BLUE, ORANGE), strict=False):
        far, tar = _from_first_false_accept(curve)
        frr = np.maximum(1 - tar, least)
        axes.step(np.maximum(far, start), frr, where="post", color=color, linewidth=1.8, label=name)
    axes.plot([start, 1], [start, 1], color=GRAY, linewidth=0.9, linestyle=(0, (4, 4)))
    axes.set_yscale("log")
    axes.set_ylim(least, 1)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper right", framealpha=0.9, edgecolor="none")
    return _png(figure)


def score_histogram(scores: np.ndarray, same: np.ndarray, threshold: float) -> bytes:
    """Plots histograms of the cosines (n,) of genuine and impostor pairs, with the threshold."""
    figure, axes = _axes("cosine", "pairs")
    bins = np.linspace(min(-0.25, scores.min()), 1, 76).tolist()
    for label, chosen, color in (("impostor", ~same, ORANGE), ("genuine", same, BLUE)):
        axes.hist(scores[chosen], bins=bins, color=color, alpha=0.55, label=f"{label} ({chosen.sum():,})")
        axes.hist(scores[chosen], bins=bins, color=color, histtype="step", linewidth=1.2)
    axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=f"threshold {threshold:.4f}")
    axes.set_xlim(bins[0], bins[-1])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, **COMPACT)
    return _png(figure)


def score_change(
    first: np.ndarray, second: np.ndarray, lost: np.ndarray, gained: np.ndarray, names: tuple[str, str]
) -> bytes:
    """Plots each pair's cosine for two embedders, (n,) each; marks pairs that only one classifies correctly."""
    figure, axes = _axes(f"cosine, {names[0]}", f"cosine, {names[1]}")
    agree = np.setdiff1d(np.arange(first.size), np.concatenate([lost, gained]))
    axes.plot(first[agree], second[agree], ".", color=GRAY, markersize=2, alpha=0.35, label="same decision")
    for at, color, label in ((lost, ORANGE, "lost"), (gained, GREEN, "gained")):
        axes.plot(first[at], second[at], "o", color=color, markersize=4, alpha=0.85, label=f"{label} ({at.size})")
    low = min(first.min(), second.min())
    axes.plot([low, 1], [low, 1], color=INK, linewidth=0.8)
    axes.legend(loc="upper left", frameon=False, markerscale=1.5)
    return _png(figure)
