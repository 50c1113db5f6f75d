"""One look for all figures, and the few that several chapters share.

Theory is dashed, experiment solid with markers; the colours are told apart by colour-blind readers and in grey.
"""

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler

COLOURS = ("#0b4f8a", "#de7a12", "#34896e", "#5f1f48", "#636363")
MARKERS = ("o", "s", "^", "D", "v")
THEORY = {"linestyle": "--", "marker": "", "linewidth": 1.6}
PRINTED = "#c2185b"  # a bound or region as the paper prints it; what corrects it is black


def use_style():
    """Set the look of all figures that follow, and have notebooks show them as vector graphics."""
    from IPython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    plt.rcParams.update(
        {
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=COLOURS, marker=MARKERS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.figsize": (7.0, 3.6),
            "font.size": 10,
            "grid.alpha": 0.25,
            "image.cmap": "cividis",
            "legend.frameon": False,
            "lines.markersize": 4,
            "svg.hashsalt": "aedyn",
        }
    )
    if get_ipython():
        set_matplotlib_formats("svg", metadata={"Date": None})


def phase_diagram(ax, x, y, values, *, xlabel, ylabel, label="", low=0.0, high=1.0):
    """Draw values over a grid of parameters, dark for low and bright for high.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : array_like, shapes (n_x,) and (n_y,)
        Grid points, ascending; they lie in the middle of their cells on the scale that the axis has by then.
    values : array_like, shape (n_y, n_x)
    xlabel, ylabel : str
    label : str
        What the values are; draws a colour bar when given.
    low, high : float
        Values of the darkest and the brightest colour.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    borders = _borders(ax.xaxis, x), _borders(ax.yaxis, y)
    mesh = ax.pcolormesh(*borders, values, vmin=low, vmax=high, rasterized=True)
    ax.grid(False)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if label:
        ax.figure.colorbar(mesh, ax=ax, label=label)
    return mesh


def _borders(axis, points):
    """Borders of cells that have the points in their middle, on the scale of the axis."""
    scale = axis.get_transform()
    points = scale.transform(np.asarray(points, dtype=float))
    inner = (points[1:] + points[:-1]) / 2
    return scale.inverted().transform(np.hstack([2 * points[0] - inner[0], inner, 2 * points[-1] - inner[-1]]))


def image_grid(ax, columns, *, n_across, signed=True):
    """Show the columns of a matrix as square images side by side, each scaled to its own largest modulus.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    columns : array_like, shape (side * side, n_images)
    n_across : int
        Images in a row.
    signed : bool
        Whether blue to red stands for minus to plus; otherwise white to black for 0 to plus.
    """
    columns = np.asarray(columns)
    side = int(np.sqrt(len(columns)))
    n_down = -(-columns.shape[1] // n_across)
    sheet = np.full((n_down * (side + 1) - 1, n_across * (side + 1) - 1), np.nan)
    for i, image in enumerate(columns.T):
        row, column = divmod(i, n_across)
        top, left = row * (side + 1), column * (side + 1)
        scale = np.abs(image).max() or 1.0
        sheet[top : top + side, left : left + side] = image.reshape(side, side) / scale
    ax.imshow(sheet, cmap="RdBu_r" if signed else "Greys", vmin=-1 if signed else 0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
