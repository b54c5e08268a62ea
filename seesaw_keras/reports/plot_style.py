"""Style of the package's plots: colors and axes.

>>> from matplotlib.figure import Figure
>>> from seesaw_keras.reports.plot_style import BLUE, DPI, styled
>>> axes = styled(Figure(dpi=DPI).add_subplot(xlabel="epoch", ylabel="loss"))
>>> lines = axes.plot([1, 2, 3], color=BLUE)
"""

from matplotlib.axes import Axes

__all__ = ["BLUE", "DPI", "GRAY", "GREEN", "INK", "ORANGE", "styled"]

# The Okabe-Ito palette, which is distinguishable with any color vision.
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#8a8f98"
INK = "#1f2430"
DPI = 180
_GRID = "#e4e7ec"


def styled(axes: Axes) -> Axes:
    """Applies the package's style to axes: two spines and a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(colors=INK)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes
