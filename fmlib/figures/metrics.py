"""Figures of the metrics stage: decisions and rankings of all models on all views, from both splits."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from fmlib import wording
from fmlib.figures import style
from fmlib.figures.direct import corner_list
from fmlib.figures.errors import errors
from fmlib.figures.quality import architecture_comparison, calibration, changed_images

__all__ = [
    "architecture_comparison",
    "calibration",
    "changed_images",
    "confusion_matrices",
    "errors",
    "precision_recall",
    "roc_curves",
]

CELLS = (("tn", "fp"), ("fn", "tp"))  # rows: without, with mask; columns: called so
GOOD_ENOUGH = 0.985  # from here on curves hug a corner, which is then enlarged


def confusion_matrices(scores: pd.DataFrame) -> Figure:
    """Confusion matrices, models across, splits and views down; shares of each true class, counts below.

    Args:
        scores: columns model, split, view, metric (tp, fp, fn, tn), value; of several seeds counts are summed.
    """
    counts = scores[scores.metric.isin(["tp", "fp", "fn", "tn"])]
    models = list(dict.fromkeys(counts.model))
    views, schemes = (list(dict.fromkeys(counts[name])) for name in ("view", "split"))
    lines = [(split, view) for view in views for split in schemes]
    with style.report():
        size = (max(6.4, 2.1 * len(models) + 2.0), 2.05 * len(lines) + 1.1)
        figure, axes = plt.subplots(
            len(lines), len(models), figsize=size, squeeze=False, sharex=True, sharey=True
        )
        for row, (split, view) in zip(axes, lines, strict=True):
            for ax, model in zip(row, models, strict=True):
                part = counts[(counts.model == model) & (counts["split"] == split) & (counts["view"] == view)]
                _matrix(ax, dict(part.groupby("metric").value.sum()), model)
            row[0].set_ylabel(f"{wording.label(view)}\n{wording.label(split)}", fontsize=12)
        for ax, model in zip(axes[0], models, strict=True):
            ax.set_title(wording.label(model), color=style.colour(model), fontsize=13)
        seeds = counts.groupby(["model", "split", "view", "metric"]).size().max()
        figure.supxlabel("Called …" + (f" (of {seeds} seeds together)" if seeds > 1 else ""), fontsize=12)
        figure.supylabel("Is …", fontsize=12)
        figure.suptitle("What the models call the images", x=0.01, ha="left")
        return figure


def roc_curves(predictions: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """ROC curves, views across, splits down, each model's AUC with its interval beside them.

    Args:
        predictions: columns model, split, view, seed, label, probability.
        summary: columns model, split, view, metric ("auc"), value, low, high.
    """
    return _curves(predictions, summary, "auc", "ROC: masks found against false alarms")


def precision_recall(predictions: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Precision against recall as the threshold moves; as `roc_curves`, with metric "average_precision"."""
    return _curves(predictions, summary, "average_precision", "Precision against recall")


def _matrix(ax: Axes, counts: dict[str, float], model: str) -> None:
    """One confusion matrix, shaded in the model's colour by the share of the true class."""
    ax.grid(False)
    ticks = {"xticks": (0, 1), "yticks": (0, 1), "xticklabels": ("no mask", "mask")}
    ax.set(**ticks, yticklabels=("no mask", "mask"), xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    ax.tick_params(length=0, labelsize=11)
    ax.spines[:].set_visible(False)
    if not counts:
        ax.text(0.5, 0.5, "not trained", ha="center", va="center", color=style.NEUTRAL)
        return
    for y, names in enumerate(CELLS):
        total = sum(counts[name] for name in names)
        for x, name in enumerate(names):
            share = counts[name] / total if total else 0.0
            ax.add_patch(plt.Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=_shade(model, share), lw=0))
            text = f"{share:.1%}\n{counts[name]:,.0f}" if total else "none"
            colour = "white" if share > 0.5 else "#222222"
            weight = "bold" if x == y else "normal"
            ax.text(x, y, text, ha="center", va="center", color=colour, fontsize=12, fontweight=weight)


def _shade(model: str, share: float) -> tuple[float, float, float]:
    """The model's colour, thinned with white; readable below dark text up to a half and white text above."""
    colour = np.array(plt.matplotlib.colors.to_rgb(style.colour(model)))
    strength = 0.06 + 0.35 * share if share <= 0.5 else 0.85 + 0.15 * share
    return tuple(1 - (1 - colour) * strength)


def _curves(predictions: pd.DataFrame, summary: pd.DataFrame, metric: str, title: str) -> Figure:
    """Curves of all models in a panel per view (across) and split (down)."""
    predictions = predictions[predictions["view"] != "validation"]
    summary = summary[summary.metric == metric]
    views, schemes = (list(dict.fromkeys(predictions[name])) for name in ("view", "split"))
    with style.report():
        size = (max(6.4, 4.6 * len(views)), 4.5 * len(schemes) + 0.7)
        figure, axes = plt.subplots(len(schemes), len(views), figsize=size, squeeze=False)
        for row, split in zip(axes, schemes, strict=True):
            for ax, view in zip(row, views, strict=True):
                part = predictions[(predictions["view"] == view) & (predictions["split"] == split)]
                known = summary[(summary["view"] == view) & (summary["split"] == split)]
                _panel(ax, part, known, metric)
                ax.set_title(f"{wording.label(view)}, {wording.label(split)}", fontsize=13)
        lines = " (a line for each seed)" if predictions.seed.nunique() > 1 else ""
        figure.suptitle(f"{title}{lines}", x=0.01, ha="left")
        return figure


def _panel(ax: Axes, predictions: pd.DataFrame, known: pd.DataFrame, metric: str) -> None:
    """One panel: a thin line per seed, the corner enlarged where all models are good, a list of areas."""
    roc = metric == "auc"
    ax.set(xlabel="False alarms (share of no mask)" if roc else "Recall (share of masks found)")
    ax.set(ylabel="Masks found" if roc else "Precision")
    if predictions.label.nunique() < 2:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "one class only:\nnot defined", ha="center", va="center", color=style.NEUTRAL)
        return
    for (model, _), rows in predictions.groupby(["model", "seed"], sort=False):
        x, y = _points(rows, roc)
        ax.plot(x, y, color=style.colour(model), linewidth=1.8, alpha=0.85, drawstyle="default")
    _frame(ax, roc, known.value.min(), predictions.label.mean())
    best_first = known.sort_values("value", ascending=False)
    entries = [(r.model, f"{wording.label(r.model)} {_area(r)}") for r in best_first.itertuples()]
    enlarged = "corner enlarged\n" if known.value.min() >= GOOD_ENOUGH else ""
    corner_list(ax, entries, f"{enlarged}{wording.label(metric)} (95% interval)")


def _area(row: NamedTuple) -> str:
    """The area under a model's curve, with its interval where it has one."""
    return f"{row.value:.3f}" + ("" if np.isnan(row.low) else f" ({row.low:.3f}–{row.high:.3f})")


def _points(rows: pd.DataFrame, roc: bool) -> tuple[np.ndarray, np.ndarray]:
    """x and y of one run's curve."""
    if roc:
        return roc_curve(rows.label, rows.probability)[:2]
    precision, recall, _ = precision_recall_curve(rows.label, rows.probability)
    return recall, precision


def _frame(ax: Axes, roc: bool, lowest: float, positives: float) -> None:
    """Limits and the line of chance; the interesting corner alone where every model is good."""
    if lowest >= GOOD_ENOUGH:
        reach = 0.15
        ax.set(xlim=(-0.003, reach) if roc else (1 - reach, 1.003), ylim=(1 - reach, 1.003))
        return
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    chance = ((0, 1), (0, 1)) if roc else ((0, 1), (positives, positives))
    ax.plot(*chance, color=style.NEUTRAL, linewidth=1, linestyle=":")
