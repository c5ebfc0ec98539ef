"""Figures of the Grad-CAM stage: single faces, where the maps lie, and whether the models use what they show."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib import wording
from fmlib.bootstrap import mean_interval
from fmlib.config import CLASSES
from fmlib.explain.tables import RANDOM, RIVALS, advantage, areas
from fmlib.figures import style

COLUMNS = ("Input", "Grad-CAM", "overlaid", "Grad-CAM++", "overlaid")
MARKS = {"gradcam": "o", "gradcam++": "s", RANDOM: "x"}
LINES = {"gradcam": "-", "gradcam++": "--"} | dict(zip(RIVALS, ("-", ":", "-."), strict=True))
FILLS = dict(zip(RIVALS, ("full", "left", "none"), strict=True))  # of a mark


def gradcam_mask(strips: Sequence) -> Figure:
    """Five-column rows of faces with a mask, frontal beside at an angle, a row per model."""
    return _rows(strips, "Which pixels speak for a mask?")


def gradcam_no_mask(strips: Sequence) -> Figure:
    """Five-column rows of faces without a (properly worn) mask."""
    return _rows(strips, "Which pixels speak against a mask?")


def _rows(strips: Sequence, title: str) -> Figure:
    faces = list(dict.fromkeys(strip.face for strip in strips))
    models = list(dict.fromkeys(strip.model for strip in strips))
    hard = [strip for strip in strips if strip.face == faces[-1]]
    with style.report():
        figure = plt.figure(figsize=(13, 1.17 * (len(models) + 1) + 1.1), layout="constrained")
        figure.suptitle(title)
        blocks = figure.subfigures(1, 2, wspace=0.03)
        for block, face, last in zip(blocks, faces, hard, strict=False):
            block.suptitle(face.capitalize(), fontsize=14)
            shown = [strip for strip in strips if strip.face == face] + [last]
            grid = block.subplots(len(shown), 5, squeeze=False)
            for axes, strip in zip(grid, shown, strict=True):
                _strip(axes, strip, strip is last)
            for ax, name in zip(grid[0], COLUMNS, strict=True):
                ax.set_title(name, fontsize=11, loc="center", fontweight="normal", pad=4)
    return figure


def _strip(axes: Sequence[Axes], strip, hard: bool) -> None:
    for ax, picture in zip(axes, strip.pictures, strict=True):
        ax.imshow(picture, interpolation="bilinear")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    name, explained = wording.label(strip.model), f"“{CLASSES[strip.explained]}”"
    if hard:
        name, explained = f"{strip.face}\nby {name}\nis “{CLASSES[strip.truth]}”", f"map of {explained}"
    says = f"{name}\n{explained}\np = {strip.probability:.2f}"
    axes[0].set_ylabel(says, rotation=0, ha="right", va="center", fontsize=10)


def gradcam_localisation(
    tables: dict[str, pd.DataFrame],
    means: dict[str, pd.DataFrame],
    prior: pd.DataFrame,
    outline: np.ndarray | None,
) -> Figure:
    """Where the maps lie: measured against what is known, and the mean map of every model and class.

    Args:
        tables: by model, of `attention.look`; means: its mean maps.
        prior: the same measures of the centre prior.
        outline: mean lower face, side side in [0, 1], drawn into the mean maps; None where it is not known.
    """
    with style.report():
        figure = plt.figure(figsize=(13, 9.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1, 1.05])
        if "mask" in set(prior["region"]):
            figure.suptitle("Do the models look at the mask?")
            _known(above, tables, prior)
        else:
            figure.suptitle("Where do the models look?")
            _unknown(above, tables, prior)
        _mean_maps(below, means, outline)
    return figure


def _known(figure, tables: dict[str, pd.DataFrame], prior: pd.DataFrame) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    masked = {model: table.query("region == 'mask' and label == 1") for model, table in tables.items()}
    base = prior.query("region == 'mask' and label == 1")
    _measured(left, masked, base, "pointing")
    left.set(
        title="Pointing game: highest point in the mask",
        xlabel="share of masked faces",
        xlim=(-0.03, 1.03),
    )
    _measured(right, masked, base, "energy")
    right.set(title="Energy inside the mask", xlabel="share of the map's sum", xlim=(-0.03, 1.03))
    right.axvline(base["area"].mean(), color=style.NEUTRAL, linestyle=":")
    _legend(right)


def _unknown(figure, tables: dict[str, pd.DataFrame], prior: pd.DataFrame) -> None:
    bands = [name for name in prior["region"].unique() if name != "frame"]
    axes = figure.subplots(1, len(bands) + 1, sharey=True)
    for ax, band in zip(axes, [*bands, "frame"], strict=True):
        _measured(
            ax,
            {m: t[t["region"] == band] for m, t in tables.items()},
            prior[prior["region"] == band],
            "energy",
        )
        ax.axvline(
            prior.loc[prior["region"] == band, "area"].mean(),
            color=style.NEUTRAL,
            linestyle=":",
        )
        name, _, inside = band.partition(" (")
        ax.set(xlabel="share of energy", xlim=(0, 0.85))
        ax.set_title(f"{name.capitalize()}\n{inside.rstrip(')') or 'outermost tenth'}", fontsize=12)
    _legend(axes[-1])


def _measured(ax: Axes, tables: dict[str, pd.DataFrame], prior: pd.DataFrame, measure: str) -> None:
    """A row per model, a mark with its interval for every kind of map, a line for the centre prior."""
    for place, (model, table) in enumerate(tables.items()):
        for step, (maps, mark) in enumerate(MARKS.items()):
            part = table[table["maps"] == maps]
            mean, low, high = mean_interval(part[measure], part["group"], rate=measure == "pointing")
            colour = style.NEUTRAL if maps not in ("gradcam", "gradcam++") else style.colour(model)
            y = place + (step - 1) * 0.22
            ax.plot([low, high], [y, y], color=colour, linewidth=2)
            face = "none" if maps == "gradcam++" else colour
            ax.plot(mean, y, mark, color=colour, markerfacecolor=face, markersize=8)
    ax.axvline(prior[measure].mean(), color=style.NEUTRAL, linestyle="-.")
    ax.set_yticks(range(len(tables)), [wording.label(model) for model in tables])
    ax.set_ylim(len(tables) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")


def _legend(ax: Axes) -> None:
    dark = "#222222"
    for maps, mark in MARKS.items():
        face = "none" if maps == "gradcam++" else dark
        ax.plot([], [], mark, color=dark, markerfacecolor=face, label=wording.label(maps))
    ax.plot([], [], "-.", color=style.NEUTRAL, label="centre prior")
    ax.plot([], [], ":", color=style.NEUTRAL, label="even spread")
    ax.plot([], [], "-", color=dark, linewidth=2, label="95% interval")
    ax.figure.legend(loc="outside lower center", ncols=6, fontsize=11)


def _mean_maps(figure, means: dict[str, pd.DataFrame], outline: np.ndarray | None) -> None:
    axes = figure.subplots(len(CLASSES), len(means), squeeze=False)
    for column, (model, table) in zip(axes.T, means.items(), strict=True):
        for ax, label in zip(column, (1, 0), strict=True):
            part = table[(table["maps"] == "gradcam") & (table["label"] == label)]
            picture = part.pivot(index="y", columns="x", values="value").to_numpy()
            shown = ax.contourf(picture, levels=np.linspace(0, 1, 11))
            _orient(ax, picture.shape[0], outline)
            ax.set(xticks=[], yticks=[], aspect="equal", ylim=(picture.shape[0] - 1, 0))
        column[0].set_title(wording.label(model), fontsize=12, loc="center", color=style.colour(model))
    for ax, name in zip(axes[:, 0], CLASSES[::-1], strict=True):
        ax.set_ylabel(name, fontsize=12)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="mean Grad-CAM", pad=0.01)


def _orient(ax: Axes, side: int, outline: np.ndarray | None) -> None:
    """Draw what helps to read a mean map: the lower face where it is known, else the thirds."""
    ax.grid(visible=False)
    if outline is not None:
        ax.contour(outline, levels=[0.5], colors="white", linewidths=1.8)
        return
    for share in (1 / 3, 2 / 3):
        ax.axhline(share * side - 0.5, color="white", linewidth=1.2, linestyle=":")


def gradcam_faithfulness(
    curves: dict[str, pd.DataFrame], cascades: dict[str, pd.DataFrame], best: str
) -> Figure:
    """Deletion and insertion curves of the best model, every model's advantage, and the weight randomisation.

    Args:
        curves: by model, of `attention.curves`; cascades: of `attention.cascade`.
        best: the model whose curves are drawn.
    """
    with style.report():
        figure, axes = plt.subplots(2, 2, figsize=(13, 9.2), layout="constrained")
        figure.suptitle("Do the models use what their maps show?")
        images = wording.counted(curves[best]["image"].nunique(), "image")
        note = f"{images}; bands (of Grad-CAM, of the random map, of what is left) and bars: 95% intervals"
        figure.supxlabel(note, fontsize=12, color=style.NEUTRAL)
        for ax, kind, verb in zip(
            axes[0], ("deletion", "insertion"), ("taken away", "brought back"), strict=True
        ):
            _curves(ax, curves[best].query("kind == @kind"))
            ax.set(title=f"{kind.capitalize()}, {wording.label(best)}", xlabel=f"share of pixels {verb}")
            ax.set(ylabel="probability of the true class", ylim=(0, 1.02), xlim=(0, 1))
        axes[0, 1].legend(loc="lower right", fontsize=11)
        _advantages(axes[1, 0], curves)
        _cascades(axes[1, 1], cascades)
    return figure


def _curves(ax: Axes, table: pd.DataFrame) -> None:
    for maps, part in table.groupby("maps", sort=False):
        points = pd.DataFrame(
            [
                (share, *mean_interval(step["probability"], step["group"]))
                for share, step in part.groupby("share")
            ],
            columns=["share", "mean", "low", "high"],
        )
        area = areas(part)["area"].mean()
        colour = style.colour(maps) if maps in ("gradcam", "gradcam++") else style.NEUTRAL
        name = f"{wording.label(maps)}: area {area:.2f}"
        ax.plot(points["share"], points["mean"], LINES[maps], color=colour, label=name)
        if maps in ("gradcam", "random map"):
            ax.fill_between(
                points["share"], points["low"], points["high"], color=colour, alpha=0.18, linewidth=0
            )
    if table["kind"].iloc[0] == "deletion":
        ax.legend(loc="lower left", fontsize=11)


def _advantages(ax: Axes, curves: dict[str, pd.DataFrame]) -> None:
    marks = {"deletion": "v", "insertion": "^"}
    for place, (model, table) in enumerate(curves.items()):
        for step, (kind, over) in enumerate(itertools.product(marks, FILLS)):
            mean, low, high = advantage(table, kind, over)
            y, colour = place + (step - 2.5) * 0.13, style.colour(model)
            ax.plot([low, high], [y, y], color=colour, linewidth=2)
            ax.plot(mean, y, marks[kind], color=colour, fillstyle=FILLS[over])
    for kind, over in itertools.product(marks, FILLS):
        ax.plot([], [], marks[kind], color="#222222", fillstyle=FILLS[over], label=f"{kind}, over {over}")
    ax.plot([0, 0], [-0.5, len(curves) - 0.5], color=style.NEUTRAL)  # not through the legend
    ax.set_yticks(range(len(curves)), [wording.label(model) for model in curves])
    ax.set(
        title="Grad-CAM's advantage in area",
        xlabel="better than the other order by",
        ylim=(len(curves) + 0.7, -0.5),
    )
    ax.legend(fontsize=10, ncols=2, loc="lower center")


def _cascades(ax: Axes, cascades: dict[str, pd.DataFrame]) -> None:
    for model, table in cascades.items():
        points = pd.DataFrame(
            [
                (share, *mean_interval(part["similarity"], part["group"]))
                for share, part in table.groupby("share")
            ],
            columns=["share", "mean", "low", "high"],
        )
        ax.plot(points["share"], points["mean"], color=style.colour(model), label=wording.label(model))
        ax.fill_between(
            points["share"], points["low"], points["high"], color=style.colour(model), alpha=0.15, linewidth=0
        )
    ax.axhline(0, color=style.NEUTRAL, linewidth=1)
    ax.set(
        title="What is left of a map as weights turn random",
        xlabel="share of layers randomised, from the output",
    )
    ax.set(ylabel="rank correlation with the map", ylim=(-1.03, 1.03), xlim=(0, 1))
    ax.legend(fontsize=11)
