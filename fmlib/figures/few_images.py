"""Figures of the studies on few images: scores by arm and size, and paired differences."""

from collections.abc import Callable
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib import wording
from fmlib.figures import style


def vae_augmentation(table: pd.DataFrame) -> Figure:
    """Balanced accuracy by augmentation and number of source images; `table` as of `few_images.scored`."""
    return _by_size(table, "Do generated images help a classifier?")


def dae_pretraining(table: pd.DataFrame) -> Figure:
    """Balanced accuracy by start and number of labelled images; `table` as of `few_images.scored`."""
    return _by_size(table, "Is an encoder trained without labels a good start?")


def _by_size(table: pd.DataFrame, title: str) -> Figure:
    """Balanced accuracy by arm: curves over the sizes, or one panel where there is one size."""
    sizes, arms = sorted(table.per_class.unique()), list(dict.fromkeys(table.arm))
    with style.report():
        figure, ax = plt.subplots(figsize=(9, 5.2))
        if len(sizes) > 1:
            _curves(ax, table, arms)
        else:
            _arms(ax, table, arms)
            ax.set(xlabel="Balanced accuracy on test", title=f"{sizes[0]} source images per class")
        figure.suptitle(title, x=0.01, ha="left")
        seeds = wording.seeds(table.groupby("per_class").seed.nunique())
        note = f"{seeds}; mean with 95% t interval over seeds"
        figure.supxlabel(note, fontsize=12, color=style.NEUTRAL)
        return figure


def _curves(ax: Axes, table: pd.DataFrame, arms: list[str]) -> None:
    """A line per arm over the sizes, its points set apart a little so that intervals do not hide each other."""
    points = table.drop_duplicates(["per_class", "arm"]).sort_values("per_class")
    for step, arm in enumerate(arms):
        part, colour = points[points.arm == arm], style.colour(arm)
        x = part.per_class * 1.03 ** (step - (len(arms) - 1) / 2)
        ax.plot(x, part["mean"], "o-", color=colour, label=wording.label(arm))
        ax.vlines(x, part.low, part.high, color=colour, linewidth=2, alpha=0.6)
    sizes = sorted(table.per_class.unique())
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
    ax.set_xticks([], minor=True)
    ax.set(xlabel="Source images per class", ylabel="Balanced accuracy on test")
    ax.legend(loc="lower right")


def gains(table: pd.DataFrame) -> Figure:
    """Paired differences in balanced accuracy with their intervals, by comparison and size (`few_images.gains`).

    A panel per comparison, or one panel of all where there is one size.
    """
    several = table.per_class.nunique() > 1
    with style.report():
        figure = _gains_by_size(table) if several else _gains(table)
        title = "What helps, by images per class?" if several else "What helps?"
        figure.suptitle(title, x=0.01, ha="left")
        return figure


def _gains(table: pd.DataFrame) -> Figure:
    """One size: a line per comparison."""
    figure, ax = plt.subplots(figsize=(9, 0.42 * len(table) + 2.1))
    ax.grid(axis="x")
    ax.axvline(0, color=style.NEUTRAL, linewidth=1)
    for place, row in enumerate(table.itertuples()):
        _gain(ax.hlines, ax, row, place, (row.difference, place))
    ax.set_yticks(range(len(table)), [_comparison(row, " − ") for row in table.itertuples()])
    ax.invert_yaxis()
    ax.locator_params(axis="x", nbins=4)
    ax.set_title(f"{table.per_class.iloc[0]} images per class")
    ax.set_xlabel("Difference in balanced accuracy\n(mean and 95% t interval over seeds)")
    return figure


def _gains_by_size(table: pd.DataFrame) -> Figure:
    """Several sizes: a panel per comparison, the sizes across."""
    sizes, parts = sorted(table.per_class.unique()), list(table.groupby(["arm", "baseline"], sort=False))
    columns = 2 if len(parts) == 4 else min(3, len(parts))
    rows = -(-len(parts) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.4 * columns, 3.2 * rows + 0.9), sharey=True, squeeze=False
    )
    for ax, (_, part) in zip(axes.flat, parts, strict=False):
        ax.axhline(0, color=style.NEUTRAL, linewidth=1)
        for row in part.itertuples():
            place = sizes.index(row.per_class)
            _gain(ax.vlines, ax, row, place, (place, row.difference))
        ax.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        ax.set_xlim(-0.6, len(sizes) - 0.4)
        ax.set_title(_comparison(part.iloc[0], "\nagainst "), fontsize=12)
    for ax in axes.flat[len(parts) :]:
        ax.set_visible(False)
    figure.supylabel("Difference in balanced accuracy", fontsize=12)
    over = wording.seeds(table.pairs)
    figure.supxlabel(f"Images per class; mean and 95% t interval over {over}", fontsize=12)
    return figure


def _gain(line: Callable, ax: Axes, row: NamedTuple, place: float, point: tuple[float, float]) -> None:
    """One difference with its interval, coloured by its verdict."""
    colour = {"helps": style.GOOD, "hurts": style.BAD}.get(row.verdict, style.NEUTRAL)
    if np.isfinite(row.low):
        line(place, row.low, row.high, color=colour, linewidth=4)
    ax.plot(*point, "o", color=colour, markersize=8)


def _comparison(row: NamedTuple, between: str) -> str:
    return f"{wording.label(row.arm)}{between}{wording.label(row.baseline)}"


def _arms(ax: Axes, table: pd.DataFrame, arms: list[str]) -> None:
    """One size: a line of dots and an interval per arm."""
    ax.grid(axis="x")
    for place, arm in enumerate(arms):
        part, colour = table[table.arm == arm], style.colour(arm)
        seeds = np.full(len(part), place + 0.18)
        ax.scatter(part.balanced_accuracy, seeds, s=26, color=colour, alpha=0.5, linewidth=0)
        mean, low, high = part[["mean", "low", "high"]].iloc[0]
        if np.isfinite(low):
            ax.hlines(place - 0.1, max(low, 0), min(high, 1), color=colour, linewidth=4)
        ax.plot(mean, place - 0.1, "o", color=colour, markersize=9)
    ax.set_yticks(range(len(arms)), [wording.label(arm) for arm in arms])
    ax.invert_yaxis()
