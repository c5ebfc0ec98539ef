"""Figures of the data stage: what the images are, where they leak, and what gives the label away."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from fmlib import wording
from fmlib.config import CLASSES
from fmlib.figures import style

SIDES = ("train", "validation", "test", "aside")


def data_samples(images: list[list[Image.Image]]) -> Figure:
    """A grid of images, the upper rows without and the lower rows with a mask.

    Args:
        images: per class, the images to show (the same number of each).
    """
    columns = max(1, min(8, len(images[0])))
    rows = [-(-max(1, len(part)) // columns) for part in images]
    with style.report():
        figure = plt.figure(figsize=(12, 1.62 * sum(rows) + 0.9))
        parts = figure.subfigures(2, 1, height_ratios=[rows[0] + 0.25, rows[1] + 0.25])
        for part, name, shown, count in zip(parts, CLASSES, images, rows, strict=True):
            part.suptitle(name.capitalize(), x=0.01, ha="left", color=style.colour(name), fontsize=15)
            for ax, image in zip(_bare(part, count, columns), shown, strict=False):
                ax.imshow(ImageOps.fit(image, (128, 128)))
        return figure


def data_leak_gallery(pairs: list[tuple[Image.Image, Image.Image, str]]) -> Figure:
    """Test images above the training images that they share an origin with.

    Args:
        pairs: test image, its relative, and what was done to it ("" where it is not known).
    """
    with style.report():
        figure, axes = plt.subplots(2, max(1, len(pairs)), figsize=(12, 4.4), squeeze=False)
        for ax in axes.flat:
            style.hide(ax)
        for column, (test, relative, how) in zip(axes.T, pairs, strict=False):
            column[0].imshow(ImageOps.fit(test, (128, 128)))
            column[1].imshow(ImageOps.fit(relative, (128, 128)))
            column[1].set_xlabel(how, fontsize=13)
        for ax, name in zip(axes[:, 0], ("test", "train"), strict=True):
            ax.set_ylabel(f"in {name}", color=style.colour(name), fontweight="bold")
        figure.suptitle("One photograph on both sides of the split", x=0.01, ha="left")
        return figure


def _bare(part: Figure, rows: int, columns: int) -> np.ndarray:
    axes = part.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        style.hide(ax)
    return axes


def data_balance(manifest: pd.DataFrame, sides: dict[str, pd.Series]) -> Figure:
    """Images per side and class under each split, and the widths of the images of each class.

    Args:
        sides: split -> side of every row, as `splits.assign` gives it.
    """
    with style.report():
        figure, axes = plt.subplots(
            1, len(sides) + 1, figsize=(13, 4.8), width_ratios=[1] * len(sides) + [1.15]
        )
        for ax, (name, side) in zip(axes, sides.items(), strict=False):
            _counts(ax, side, manifest["label"])
            ax.set_title(wording.label(name).capitalize())
        low = min(ax.get_xlim()[0] for ax in axes[:-1]), max(ax.get_xlim()[1] for ax in axes[:-1])
        for ax in axes[:-1]:
            ax.set_xlim(low[0], low[1] * 1.22)
        _widths(axes[-1], manifest)
        return figure


def _counts(ax: Axes, side: pd.Series, label: pd.Series) -> None:
    table = pd.crosstab(side, label).reindex(index=SIDES, columns=[0, 1], fill_value=0)
    table = table[table.sum(axis=1) > 0]
    for number, name in enumerate(CLASSES):
        places = np.arange(len(table)) + (number - 0.5) * 0.38
        bars = ax.barh(places, table[number], height=0.36, color=style.colour(name), label=name)
        ax.bar_label(bars, [f"{count:,}" for count in table[number]], padding=3, fontsize=12)
    ax.set_yticks(np.arange(len(table)), table.index)
    ax.invert_yaxis()
    ax.set(xlabel="Images")
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=4)


def _widths(ax: Axes, manifest: pd.DataFrame) -> None:
    widths = manifest["width"]
    edges = np.geomspace(max(1, widths.min() * 0.94), widths.max() * 1.06 + 1, 32)
    for number, name in enumerate(CLASSES):
        values = widths[manifest["label"] == number]
        ax.hist(values, edges, color=style.colour(name), alpha=0.6, label=name, histtype="stepfilled")
    ax.set(xscale="log", xlabel="Width (px, logarithmic)", ylabel="Images", title="Image widths by class")
    ticks = [tick for tick in 2 ** np.arange(2, 14) if edges[0] <= tick <= edges[-1]]
    ticks = ticks if len(ticks) > 1 else sorted({widths.min(), widths.max()})
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="upper left")
    ax.set_ylim(0, ax.get_ylim()[1] * 1.25)


def data_leakage(leaks: dict, sizes: np.ndarray) -> Figure:
    """The share of each later split that has relatives in an earlier one, and how large the groups are.

    Args:
        leaks: split -> numbers, as in `Audit.leaks`.
        sizes: number of images of each group.
    """
    with style.report():
        figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=[1.2, 1])
        _leak_bars(axes[0], leaks)
        _group_sizes(axes[1], np.asarray(sizes))
        return figure


def _leak_bars(ax: Axes, leaks: dict) -> None:
    ax.set_title("Images with a relative in an earlier split")
    if not leaks:
        ax.text(
            0.5, 0.5, "This set publishes no splits\nthat could leak", ha="center", transform=ax.transAxes
        )
        return style.hide(ax)
    for place, leak in enumerate(leaks.values()):
        parts = (("same origin", "share an origin", style.BAD), ("same bytes", "same bytes", style.INDIGO))
        for offset, (name, key, colour) in zip((-0.19, 0.19), parts, strict=True):
            share = leak[key] / leak["images"]
            ax.barh(place + offset, 100 * share, height=0.34, color=colour, label=name if not place else None)
            text = f"{leak[key]:,} of {leak['images']:,}"
            ax.text(100 * share + 0.5, place + offset, text, va="center", fontsize=12)
    ax.set_yticks(range(len(leaks)), list(leaks))
    ax.set(xlabel="Share of the split (%)")
    ax.set_xlim(0, min(118, ax.get_xlim()[1] * 1.35 + 1))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _group_sizes(ax: Axes, sizes: np.ndarray) -> None:
    edges = [1, 2, 3, 4, 5, 6, 7, 11, 21, 10**9]
    names = ["1", "2", "3", "4", "5", "6", "7–10", "11–20", "over 20"]
    images = [sizes[(sizes >= low) & (sizes < high)].sum() for low, high in pairwise(edges)]
    last = max(np.flatnonzero(images), default=0) + 1
    bars = ax.bar(names[:last], images[:last], color=[style.NEUTRAL] + [style.BAD] * (last - 1))
    ax.bar_label(bars, [f"{count:,}" for count in images[:last]], padding=2, fontsize=11)
    ax.set(xlabel="Images in the group", ylabel="Images", title="Size of the groups")
    if last > 7:
        ax.tick_params(axis="x", rotation=35)


def data_shortcuts(before: pd.DataFrame, after: pd.DataFrame | None = None) -> Figure:
    """Test accuracy of models that understand nothing of the picture, beside the rate of the majority class.

    Args:
        before: as `shortcuts.scores` gives it, on the images as published.
        after: the same on pixels of one low resolution, without their margin; shortcuts may be missing there.
    """
    with style.report():
        figure, ax = plt.subplots(figsize=(11, 5.6))
        ax.set_title("How much of the label can be told without understanding the picture")
        ax.grid(axis="x")
        if before.empty:
            ax.text(0.5, 0.5, "Too few images of each class to measure", ha="center", transform=ax.transAxes)
            style.hide(ax)
            return figure
        order = before.sort_values("accuracy", ascending=False)["shortcut"].tolist()
        _dots(ax, before, order, -0.13 if after is not None else 0, style.BAD, "o", "as published")
        if after is not None and not after.empty:
            _dots(ax, after, order, 0.13, style.GOOD, "s", "16 px without the margin")
        majority = 100 * before["majority"].iloc[0]
        ax.axvline(majority, color=style.NEUTRAL, ls="--", label=f"always one class ({majority:.1f}%)")
        ax.set_yticks(range(len(order)), order)
        ax.invert_yaxis()
        ax.set(xlabel="Test accuracy (%) with 95% interval", xlim=(None, 101))
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.13), ncols=3)
        return figure


def _dots(
    ax: Axes, table: pd.DataFrame, order: list[str], offset: float, colour: str, mark: str, name: str
) -> None:
    places = table["shortcut"].map(order.index) + offset
    spans = 100 * np.abs(table[["low", "high"]].to_numpy().T - table["accuracy"].to_numpy())
    ax.errorbar(100 * table["accuracy"], places, xerr=spans, fmt=mark, color=colour, capsize=4, label=name)
