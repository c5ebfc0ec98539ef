"""Text beside the thing it names, instead of a legend."""

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from fmlib import wording
from fmlib.figures import style


def end_labels(ax: Axes, ends: dict[str, tuple[float, float]], size: float = 12, x: float = 1.02) -> None:
    """Write each name in its colour right of the axes, at the height of its line's end, without overlaps.

    Args:
        ends: name -> (x, y) of the last point, in data coordinates.
        x: where the names begin, as a fraction of the axes' width.
    """
    if not ends:
        return
    names = sorted(ends, key=lambda name: ends[name][1])
    heights = ax.transAxes.inverted().transform([ax.transData.transform(ends[name]) for name in names])[:, 1]
    points = ax.get_window_extent().height * 72 / ax.get_figure(root=True).dpi  # in points
    places = spread(np.clip(heights, 0, 1), 1.25 * size / points)
    for name, place in zip(names, places, strict=True):
        text = {"color": style.colour(name), "fontsize": size, "fontweight": "bold", "va": "center"}
        ax.annotate(wording.label(name), (x, place), xycoords="axes fraction", **text)


def spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Move sorted places apart until neighbours are `gap` apart, each as little as possible."""
    steps = gap * np.arange(len(places))
    return isotonic_regression(np.asarray(places, dtype=float) - steps).x + steps


def corner_list(ax: Axes, entries: list[tuple[str, str]], title: str = "", size: float = 11) -> None:
    """List (name, text) in the axes' lower right corner, each in the colour of its name, below the title's lines."""
    lines = [("", line) for line in title.splitlines()] + entries
    for row, (name, text) in enumerate(reversed(lines)):
        colour = style.colour(name) if name else style.NEUTRAL
        where = {"xy": (1, 0), "xycoords": "axes fraction", "textcoords": "offset points"}
        box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
        offset = (-6, 6 + row * 1.4 * size)
        ax.annotate(
            text, xytext=offset, color=colour, fontsize=size, ha="right", va="bottom", bbox=box, **where
        )
