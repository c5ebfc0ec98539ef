"""Figures that the notebooks' controls redraw: small, quick, and the same picture where nothing can be moved."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from fmlib import wording
from fmlib.config import CLASSES
from fmlib.figures import style


def pictures(shown: Sequence[tuple[str, np.ndarray]], title: str) -> Figure:
    """A row of pictures (side side 3, uint8 or float in [0, 1]), each below its own lines of text."""
    with style.report():
        side = 12 / max(5, len(shown))
        size = (max(7.0, side * len(shown)), side + 1.0)
        figure, axes = plt.subplots(1, len(shown), figsize=size, squeeze=False)
        for ax, (text, image) in zip(axes[0], shown, strict=True):
            ax.imshow(image)
            ax.set_title(text, fontsize=11, fontweight="normal", loc="center", pad=4)
            style.hide(ax)
        figure.suptitle(title, x=0.01, ha="left")
        return figure


def words(text: str) -> Figure:
    """A figure that only says why there is nothing to show."""
    with style.report():
        figure = plt.figure(figsize=(7, 1.2))
        figure.text(0.01, 0.5, text, va="center", color=style.BAD)
        return figure


def at_threshold(labels: np.ndarray, probabilities: np.ndarray, threshold: float, model: str) -> Figure:
    """What a threshold does: the classes' probabilities on both sides of it, and the confusion matrix.

    Args:
        labels: 0 or 1, N.
        probabilities: of a mask, N; from `threshold` on an image is called masked.
    """
    called = (np.asarray(probabilities) >= threshold).astype(int)
    with style.report():
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=[1.7, 1])
        for number, name in enumerate(CLASSES):
            mine = np.asarray(probabilities)[np.asarray(labels) == number]
            left.hist(mine, np.linspace(0, 1, 41), color=style.colour(name), alpha=0.6, label=name)
        left.axvline(threshold, color="#222222", linewidth=2)
        left.set(xlabel="Probability of a mask", ylabel="Images (logarithmic)", yscale="symlog", xlim=(0, 1))
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
        _matrix(right, confusion_matrix(labels, called, labels=(0, 1)))
        scores = [
            score(labels, called, zero_division=0) for score in (precision_score, recall_score, f1_score)
        ]
        said = "precision {:.3f}, recall {:.3f}, F1 {:.3f}".format(*scores)
        figure.suptitle(f"{wording.label(model)} at threshold {threshold:.2f}: {said}", x=0.01, ha="left")
        return figure


def _matrix(ax: Axes, counts: np.ndarray) -> None:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=2)
    for (row, column), count in np.ndenumerate(counts):
        ax.text(column, row, f"{count:,}\n{shares[row, column]:.1%}", ha="center", va="center", fontsize=13)
    ax.set(
        xticks=(0, 1), yticks=(0, 1), xticklabels=CLASSES, yticklabels=CLASSES, xlabel="called", ylabel="is"
    )
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def verdicts(image: np.ndarray, probabilities: Mapping[str, float], title: str) -> Figure:
    """One picture, side side 3, and the probability of a mask that each model gives it."""
    names = list(probabilities)
    with style.report():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), width_ratios=[1, 2.2])
        left.imshow(image)
        style.hide(left)
        values = [probabilities[name] for name in names]
        right.barh(range(len(names)), values, color=[style.colour(name) for name in names], height=0.6)
        for place, value in enumerate(values):
            right.text(1.02, place, f"{value:.2f}", va="center", fontsize=12)
        right.axvline(0.5, color=style.NEUTRAL, linestyle=":")
        right.set_yticks(range(len(names)), [wording.label(name) for name in names])
        right.set(xlim=(0, 1), xlabel="Probability of a mask")
        right.invert_yaxis()
        right.grid(False)
        figure.suptitle(title, x=0.01, ha="left")
        return figure


def near_duplicates(
    distances: np.ndarray, related: np.ndarray, limit: int, pairs: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Figure:
    """How many pairs a limit of differing bits calls near duplicates, and the least alike of those.

    Args:
        distances: differing bits of every pair of pictures, P.
        related: whether a pair is of one origin by everything that is known, P.
        pairs: the pictures of some pairs that the limit just lets in.
    """
    within = distances <= limit
    share = f", {related[within].mean():.0%} of them of one origin" if within.any() else ""
    with style.report():
        figure = plt.figure(figsize=(12, 4.4))
        left, right = figure.subfigures(1, 2, width_ratios=[1, 1.15])
        ax = left.subplots()
        edges = np.arange(-0.5, 25)
        parts = ((~related, "other pairs", style.NEUTRAL), (related, "of one origin", style.BLUE))
        for chosen, name, colour in parts:
            ax.hist(distances[chosen], edges, color=colour, alpha=0.65, label=name)
        ax.axvline(limit + 0.5, color="#222222", linewidth=2)
        ax.set(
            xlabel="Differing bits of 64", ylabel="Pairs (logarithmic)", yscale="symlog", xlim=(-0.5, 24.5)
        )
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
        _pairs(right, pairs)
        figure.suptitle(f"Up to {limit} bits: {within.sum():,} pairs{share}", x=0.01, ha="left")
        return figure


def _pairs(part: Figure, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    if not pairs:
        part.text(0.5, 0.5, "no pair is so alike", ha="center", color=style.NEUTRAL)
        return
    part.suptitle("The least alike of them", fontsize=13, x=0.02, ha="left")
    for column, pair in zip(part.subplots(2, len(pairs), squeeze=False).T, pairs, strict=True):
        for ax, image in zip(column, pair, strict=True):
            ax.imshow(image)
            style.hide(ax)
