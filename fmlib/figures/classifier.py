"""Figures of the classifier stage: how training went, and what the classifier says of single photographs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib.config import CLASSES
from fmlib.figures import style
from fmlib.figures.direct import end_labels

PANELS = (("loss", "Cross-entropy loss"), ("accuracy", "Accuracy"))


def classifier_curves(history: pd.DataFrame, title: str = "How the architectures learn") -> Figure:
    """Loss and accuracy by epoch: validation as a line, training dashed, a band over seeds.

    Args:
        history: columns name, seed, epoch, train_loss, validation_loss, train_accuracy, validation_accuracy.
    """
    with style.report():
        figure, axes = plt.subplots(1, 2, figsize=(12, 5.2))
        cut = False
        for ax, (kind, text) in zip(axes, PANELS, strict=True):
            cut = _panel(ax, history, kind) or cut
            ax.set(xlabel="Epoch", ylabel=text)
        _name_lines(figure, axes, history)
        seeds = history.groupby("name").seed.nunique().max()
        band = f"; band: lowest to highest of {seeds} seeds" if seeds > 1 else ""
        figure.suptitle(title, x=0.01, ha="left")
        marks = ("Solid", "dashed") if history.epoch.nunique() > 1 else ("Dot", "cross")
        note = f"{marks[0]}: validation, {marks[1]}: training, on augmented images{band}"
        note += "; higher losses are cut off" if cut else ""
        figure.supxlabel(note, fontsize=12, color=style.NEUTRAL)
        return figure


def optimizer_curves(history: pd.DataFrame) -> Figure:
    """The curves of `classifier_curves`, by optimizer."""
    return classifier_curves(history, "How the optimizers learn")


def activation_curves(history: pd.DataFrame) -> Figure:
    """The curves of `classifier_curves`, by activation function."""
    return classifier_curves(history, "How the activation functions learn")


def classifier_predictions(images: np.ndarray, labels, probabilities, title: str = "") -> Figure:
    """A grid of test images under what the classifier says of them; wrong answers are framed and crossed.

    Args:
        images: uint8 (N, side, side, 3).
        labels: 0 or 1 (N).
        probabilities: of a mask (N).
    """
    right = (np.asarray(probabilities) >= 0.5) == np.asarray(labels)
    columns = min(6, max(1, len(images)))
    rows = -(-max(1, len(images)) // columns)
    with style.report():
        size = (max(5.0, 2.1 * columns), 2.55 * rows + 0.6)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for ax in axes.flat[len(images) :]:
            ax.set_axis_off()
        for ax, image, p, ok in zip(axes.flat, images, probabilities, right, strict=False):
            _photograph(ax, image, p, ok)
        default = f"Right on {right.sum()} of these {len(right)} test images"
        figure.suptitle(title or default, x=0.01, ha="left")
        return figure


def _panel(ax: Axes, history: pd.DataFrame, kind: str) -> bool:
    """Both curves of every name, with the range over seeds; returns whether some of them is cut off."""
    names = list(dict.fromkeys(history.name))
    common = {"data": history, "x": "epoch", "hue": "name", "ax": ax, "legend": False}
    common |= {"palette": {name: style.colour(name) for name in names}, "errorbar": ("pi", 100)}
    single = {"marker": "o"} if history.epoch.nunique() == 1 else {}
    faint = {"err_kws": {"alpha": 0.06}, "linestyle": (0, (3, 2)), "linewidth": 1.4}
    sns.lineplot(
        y=f"train_{kind}",
        **faint,
        **({"marker": "x", "markeredgecolor": None, "markeredgewidth": 2} if single else {}),
        **common,
    )
    sns.lineplot(y=f"validation_{kind}", err_kws={"alpha": 0.16}, **single, **common)
    values = history[[f"train_{kind}", f"validation_{kind}"]].to_numpy()
    finite = values[np.isfinite(values)]
    if len(finite):
        _limits(ax, kind, finite)
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    return len(finite) < values.size or bool(finite.max() > ax.get_ylim()[1])


def _limits(ax: Axes, kind: str, values: np.ndarray) -> None:
    """Losses from 0 to where nearly all lie, so that one outlier does not flatten the rest."""
    if kind == "loss":
        ax.set_ylim(0, min(values.max(), 2.5 * np.quantile(values, 0.9)) * 1.05 + 1e-6)
    else:
        ax.set_ylim(max(0, values.min() - 0.03), min(1.005, values.max() + 0.03))


def _name_lines(figure: Figure, axes, history: pd.DataFrame) -> None:
    """Write the names at the ends of the accuracy lines, once the layout is settled."""
    last = history.sort_values("epoch").groupby(["name", "seed"]).tail(1).groupby("name")
    ends = dict(last.validation_accuracy.mean().fillna(0))
    end_labels(axes[1], {name: (history.epoch.max(), y) for name, y in ends.items()})


def _photograph(ax: Axes, image: np.ndarray, p: float, ok: bool) -> None:
    """One image, its predicted class and probability, and whether that is right."""
    ax.imshow(image)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    colour = style.GOOD if ok else style.BAD
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.5 if ok else 4)
    said, sure = CLASSES[int(p >= 0.5)], max(p, 1 - p)
    mark, sureness = "✓" if ok else "✗", f"{sure:.1%}" if sure < 0.9995 else "over 99.9%"
    weight = "normal" if ok else "bold"
    ax.set_title(f"{mark} {said}\n{sureness} sure", color=colour, fontsize=12, fontweight=weight, pad=5)
