"""What models get wrong: error rates by kind of picture, and the pictures themselves."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib import wording
from fmlib.config import CLASSES
from fmlib.figures import style

ACROSS = 8  # of the worst images


def errors(breakdown: pd.DataFrame, worst: pd.DataFrame, images: np.ndarray) -> Figure:
    """Error rates by what is known of the pictures, above the images that the models get most wrong.

    Args:
        breakdown: columns model, attribute, value, n, rate, low, high; empty where nothing is known.
        worst: columns label, probability (mean over models), wrong, runs; worst first.
        images: uint8 (N, side, side, 3), those of `worst`.
    """
    with style.report():
        columns, lines, models = _grid(breakdown)
        rates = sum(lines) + 0.9 * len(lines) + 0.8 if len(breakdown) else 0
        shown = min(len(worst), ACROSS if rates else 3 * ACROSS)
        pictures = 0.5 + 2.45 * -(-shown // ACROSS) + 0.3 * (not shown)
        figure = plt.figure(figsize=(14, rates + pictures))
        parts = figure.subfigures(2, 1, height_ratios=(rates, pictures)) if rates else [None, figure]
        if rates:
            _rates(parts[0], breakdown, columns, lines, models)
        _pictures(parts[1], worst.head(shown), images[:shown])
        return figure


def _grid(breakdown: pd.DataFrame) -> tuple[int, list[float], list[str]]:
    """Panels per row, the height of each row of panels (inches), the models."""
    sizes = list(breakdown.groupby("attribute", sort=False).value.nunique())
    columns, models = min(3, max(1, len(sizes))), list(dict.fromkeys(breakdown.model))
    one = 0.28 + 0.13 * len(models)
    lines = [one * max(sizes[i : i + columns]) for i in range(0, len(sizes), columns)]
    return columns, lines, models


def _rates(figure, breakdown: pd.DataFrame, columns: int, lines: list[float], models: list[str]) -> None:
    """A panel per attribute, a row per value, a dot with its Wilson interval per model."""
    axes = figure.subplots(len(lines), columns, squeeze=False, height_ratios=lines, sharex=True)
    panels = dict(list(breakdown.groupby("attribute", sort=False)))
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (attribute, part) in zip(axes.flat, panels.items(), strict=False):
        _attribute(ax, part, models)
        ax.set(title=wording.label(attribute), xlabel="Error rate (95% interval)")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.tick_params(labelbottom=True)
    spare = axes.flat[len(panels)] if len(panels) < axes.size else None
    _names(figure, spare, models)


def _names(figure, spare: Axes | None, models: list[str]) -> None:
    """The models in their colours: in the panel that is free, else in the title."""
    figure.suptitle("Which kinds of pictures go wrong", x=0.01, ha="left")
    if spare is None:
        return
    for place, model in enumerate(models):
        look = {"color": style.colour(model), "fontweight": "bold", "fontsize": 13, "va": "top"}
        spare.text(0.05, 0.98 - 0.12 * place, f"● {wording.label(model)}", transform=spare.transAxes, **look)


def _attribute(ax: Axes, part: pd.DataFrame, models: list[str]) -> None:
    """The rows of one attribute; values that few pictures have show it by their intervals and their n."""
    values = list(dict.fromkeys(part.value))
    step = 0.62 / max(1, len(models))
    for row in part.itertuples():
        y = values.index(row.value) + step * (models.index(row.model) - (len(models) - 1) / 2)
        ax.plot((row.low, row.high), (y, y), color=style.colour(row.model), linewidth=1.8, alpha=0.5)
        ax.plot(row.rate, y, "o", color=style.colour(row.model), markersize=6, clip_on=False)
    n = part.groupby("value").n.max()
    ax.set_yticks(range(len(values)), [f"{value.replace('_', ' ')} (n {n[value]})" for value in values])
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")


def _pictures(figure, worst: pd.DataFrame, images: np.ndarray) -> None:
    """A row of the worst images: what they are, how likely the models think a mask, how many are wrong."""
    if not len(worst):
        figure.suptitle("No image of this view is called wrong by any model", x=0.01, ha="left")
        return
    axes = figure.subplots(-(-len(worst) // ACROSS), ACROSS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, image, row in zip(axes, images, worst.itertuples(), strict=False):
        ax.imshow(image)
        said = f"P(mask) {row.probability:.2f}\n{row.wrong} of {row.runs} wrong"
        ax.set_title(f"{CLASSES[row.label]}\n{said}", fontsize=11, fontweight="normal", pad=4)
    figure.suptitle("Most wrong, one of each origin, averaged over all models", x=0.01, ha="left")
