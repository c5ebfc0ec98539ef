"""Quality against cost, and whether probabilities mean what they say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib import wording
from fmlib.calibration import reliability
from fmlib.figures import style
from fmlib.figures.direct import end_labels

COSTS = (
    ("parameters", 1e6, "Parameters (millions)"),
    ("train_seconds", 1, "Training time (s)"),
    ("images_per_second", 1, "Images classified per second"),
)
FEWEST = 5  # images that a reliability point needs


def architecture_comparison(summary: pd.DataFrame, costs: pd.DataFrame, metric: str = "f1") -> Figure:
    """Above: a metric of every model on every view, from both splits. Below: it against what a model costs.

    Args:
        summary: columns model, split, view, metric, value, low, high.
        costs: columns model, parameters, train_seconds, images_per_second.
    """
    summary = summary[summary.metric == metric]
    views, models = (list(dict.fromkeys(summary[name])) for name in ("view", "model"))
    with style.report():
        columns = max(len(views), 3)
        height = 1.6 + 0.62 * len(models)
        figure = plt.figure(figsize=(4.4 * columns, height + 4.6))
        above, below = figure.subfigures(2, 1, height_ratios=(height, 4.6))
        axes = above.subplots(1, len(views), sharey=True, squeeze=False)[0]
        for ax, view in zip(axes, views, strict=True):
            _intervals(ax, summary[summary["view"] == view], models)
            ax.set(title=wording.label(view), xlabel=wording.label(metric))
        axes[0].set_yticks(range(len(models)), [wording.label(model) for model in models])
        split = "grouped" if "grouped" in set(summary["split"]) else summary["split"].iloc[0]
        shown = summary[(summary["view"] == views[0]) & (summary["split"] == split)].merge(costs, on="model")
        _against_cost(below, shown, f"{wording.label(metric)}, {wording.label(views[0])}")
        splits = " · ".join(f"{_mark(s)} {wording.label(s)}" for s in dict.fromkeys(summary["split"]))
        above.suptitle(
            f"{wording.label(metric)} of every model, 95% intervals      {splits}", x=0.01, ha="left"
        )
        below.suptitle(f"… and what it costs ({wording.label(split)})", x=0.01, ha="left")
        return figure


def _mark(split: str) -> str:
    """The sign for a split in a title: full for the honest one, hollow for the other."""
    return "○" if split == "official" else "●"


def _intervals(ax: Axes, part: pd.DataFrame, models: list[str]) -> None:
    """A row per model, a dot with its interval per split."""
    splits = list(dict.fromkeys(part["split"]))
    for row in part.itertuples():
        place = models.index(row.model) + 0.26 * (splits.index(row.split) - (len(splits) - 1) / 2)
        colour = style.colour(row.model)
        ax.plot((row.low, row.high), (place, place), color=colour, linewidth=2, alpha=0.55)
        face = "white" if row.split == "official" else colour
        ax.plot(row.value, place, "o", color=colour, markerfacecolor=face, markeredgewidth=2)
    if part["value"].isna().all():
        ax.text(0.5, 0.5, "one class only:\nnot defined", transform=ax.transAxes, ha="center", va="center")
        ax.set_xticks([])
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.grid(True, axis="x")
    ax.locator_params(axis="x", nbins=5)


def _against_cost(figure, shown: pd.DataFrame, ylabel: str) -> None:
    """Three panels with one vertical axis: quality against each cost, models named at the right."""
    axes = figure.subplots(1, len(COSTS), sharey=True)
    for ax, (column, unit, text) in zip(axes, COSTS, strict=True):
        for row in shown.itertuples():
            x, colour = getattr(row, column) / unit, style.colour(row.model)
            ax.errorbar(
                x, row.value, yerr=[[row.value - row.low], [row.high - row.value]], fmt="o", color=colour
            )
        ax.set(xscale="log", xlabel=f"{text}, logarithmic")
        _plain_log(ax, shown[column] / unit)
    axes[0].set_ylabel(ylabel)
    end_labels(axes[-1], {row.model: (1, row.value) for row in shown.itertuples()})


def _plain_log(ax: Axes, values: pd.Series) -> None:
    """A few round numbers, written out, on a logarithmic axis that holds all values."""
    low, high = values.min() / 1.5, values.max() * 1.5
    for mantissas in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):  # there are always two of the latter
        steps = np.array([m * 10.0**e for e in range(-3, 9) for m in mantissas])
        ticks = steps[(steps >= low) & (steps <= high)]
        if len(ticks) > 1:
            break
    ticks = ticks[:: 1 + len(ticks) // 6]
    ax.set_xlim(low, high)
    ax.set_xticks(ticks, [f"{tick:,.0f}" if tick >= 1000 else f"{tick:.4g}" for tick in ticks])
    ax.minorticks_off()


def changed_images(found: pd.DataFrame, metric: str = "balanced_accuracy") -> Figure:
    """A metric of every model on images after every change, a row per model, means over seeds.

    Args:
        found: columns model, change, metric, value, seed, n; a row for each seed.
    """
    part = found[found.metric == metric]
    rows, columns = (list(dict.fromkeys(part[name])) for name in ("model", "change"))
    values = part.pivot_table(index="model", columns="change", values="value").loc[rows, columns]
    with style.report():
        figure, ax = plt.subplots(figsize=(3.4 + 0.85 * len(columns), 2.2 + 0.45 * len(rows)))
        sns.heatmap(
            values, vmin=0.5, vmax=1, cmap="viridis", annot=True, fmt=".2f", cbar=False, linewidths=1, ax=ax
        )
        ax.set_yticks(ax.get_yticks(), [wording.label(row) for row in rows], rotation=0)
        ax.set_xticks(ax.get_xticks(), columns, rotation=35, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0)
        ax.set(xlabel="", ylabel="")
        figure.suptitle(f"{wording.label(metric)} on changed validation images", x=0.01, ha="left")
        seeds = wording.seeds(part.groupby("model").seed.nunique())
        note = f"{part.n.max():,} images, {seeds} each; the intervals are in the CSV file beside it"
        figure.supxlabel(note, fontsize=12, color=style.NEUTRAL)
        return figure


def calibration(predictions: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Reliability before and after temperature scaling on the first view, and the ECE on every view.

    Args:
        predictions: columns model, seed, view, label, probability, calibrated, of one split; of several
            seeds the curves show the first.
        summary: columns model, view, metric ("ece", "ece_calibrated"), value, low, high, of the same split.
    """
    predictions = predictions[predictions["view"] != "validation"]
    views, models = (list(dict.fromkeys(predictions[name])) for name in ("view", "model"))
    with style.report():
        below = 1.5 + 0.55 * len(models)
        figure = plt.figure(figsize=(max(11.0, 4.2 * len(views)), 5.0 + below))
        above, under = figure.subfigures(2, 1, height_ratios=(5.0, below))
        axes = above.subplots(1, 2, sharey=True)
        for ax, column, title in zip(
            axes, ("probability", "calibrated"), ("As trained", "Temperature-scaled"), strict=True
        ):
            _reliabilities(ax, predictions[predictions["view"] == views[0]], column, models)
            ax.set_title(f"{title}, {wording.label(views[0])}")
            ax.set_xlabel(f"Predicted probability of a mask\n(first seed; bins of {FEWEST} images or more)")
        axes[0].set_ylabel("Share that wears a mask")
        end_labels(axes[1], {model: (1, 0.9 - 0.1 * i) for i, model in enumerate(models)})
        _errors_of_calibration(under, summary, views, models)
        above.suptitle("Do 90% sure answers come true 9 times out of 10?", x=0.01, ha="left")
        under.suptitle("Expected calibration error: ○ as trained, ● temperature-scaled", x=0.01, ha="left")
        return figure


def _reliabilities(ax: Axes, part: pd.DataFrame, column: str, models: list[str]) -> None:
    """Observed against predicted frequency, where enough images lie; Wilson intervals while they can be read."""
    ax.plot((0, 1), (0, 1), color=style.NEUTRAL, linewidth=1, linestyle=":")
    for place, model in enumerate(models):
        rows = part[part.model == model]
        rows = rows[rows.seed == rows.seed.min()]
        table = reliability(rows.label, rows[column], rows.group).query(f"n >= {FEWEST}")
        x = np.clip(table.predicted + 0.006 * (place - (len(models) - 1) / 2), 0, 1)
        bars = np.stack([table.frequency - table.low, table.high - table.frequency]).clip(min=0)
        look = {"color": style.colour(model), "linewidth": 1.6, "elinewidth": 1.2, "markersize": 6}
        bars = bars if len(models) <= 4 else None
        ax.errorbar(x, table.frequency, yerr=bars, fmt="o-", alpha=0.85, **look)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _errors_of_calibration(figure, summary: pd.DataFrame, views: list[str], models: list[str]) -> None:
    """A row per model and a panel per view: ECE before and after, joined by an arrow."""
    axes = figure.subplots(1, len(views), sharey=True, squeeze=False)[0]
    for ax, view in zip(axes, views, strict=True):
        part = summary[(summary["view"] == view) & summary.metric.isin(["ece", "ece_calibrated"])]
        table = part.set_index(["model", "metric"])
        for place, model in enumerate(models):
            for metric, sign, face in (("ece", -1, "white"), ("ece_calibrated", 1, style.colour(model))):
                y, colour = place + 0.14 * sign, style.colour(model)
                score = table.loc[(model, metric)]
                ax.plot((score.low, score.high), (y, y), color=colour, linewidth=2, alpha=0.55)
                ax.plot(score.value, y, "o", color=colour, markerfacecolor=face, markeredgewidth=2)
        ax.set(title=wording.label(view), xlabel="ECE (95% interval)", ylim=(len(models) - 0.5, -0.5))
        ax.set_xlim(0, max(0.01, ax.get_xlim()[1]))
        ax.grid(True, axis="x")
    axes[0].set_yticks(range(len(models)), [wording.label(model) for model in models])
