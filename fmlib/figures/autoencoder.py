"""Figures of the autoencoder stages: reconstructions, losses, robustness, latent space."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib import wording
from fmlib.config import CLASSES
from fmlib.damage import TRAINED
from fmlib.figures import style
from fmlib.figures.direct import end_labels


def image_rows(rows: dict[str, np.ndarray], title: str) -> Figure:
    """Rows of images under each other, each with its name at the left.

    Args:
        rows: name -> images N side side 3, uint8, or float in [0, 1]; the same N everywhere.
    """
    columns = max(len(images) for images in rows.values())
    with style.report():
        size = (1.25 * columns + 1.8, 1.32 * len(rows) + 0.7)
        figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        for line, (name, images) in zip(axes, rows.items(), strict=True):
            for ax, image in zip(line, images, strict=True):
                ax.imshow(image)
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=13)
        figure.suptitle(title, x=0.01, ha="left")
        return figure


def dae_reconstructions(rows: dict[str, np.ndarray]) -> Figure:
    """Original, noisy input and what the DAE makes of it after its first epoch and as it was kept."""
    return image_rows(rows, "What the denoising autoencoder restores")


def vae_reconstructions(rows: dict[str, np.ndarray]) -> Figure:
    """Originals and what is left of them after the VAE's bottleneck, after its first epoch and as it was kept."""
    return image_rows(rows, "What passes through the VAE's bottleneck")


def vae_samples(rows: dict[str, np.ndarray]) -> Figure:
    """Images that the VAE makes, by the place in latent space that they are drawn from."""
    return image_rows(rows, "Faces that the VAE makes up")


def dae_loss(history: pd.DataFrame) -> Figure:
    """Mean squared error of the DAE by epoch, training and validation."""
    with style.report():
        figure, ax = plt.subplots(figsize=(8, 4.6))
        _losses(ax, history, "loss")
        ax.set(xlabel="Epoch", ylabel="Mean squared error")
        figure.suptitle("The denoising autoencoder's loss", x=0.01, ha="left")
        _name_sides(ax, history, "loss")
        return figure


def vae_loss(history: pd.DataFrame) -> Figure:
    """The VAE's loss by epoch and its two parts, training and validation, in nats per image."""
    panels = {"loss": "Loss (negative ELBO)", "reconstruction": "Reconstruction (BCE)", "kl": "KL divergence"}
    with style.report():
        figure, axes = plt.subplots(1, 3, figsize=(14, 4.8))
        for ax, (part, text) in zip(axes, panels.items(), strict=True):
            _losses(ax, history, part)
            ax.set(xlabel="Epoch", title=text)
        axes[0].set_ylabel("Nats per image")
        figure.suptitle("The VAE's loss and its two parts", x=0.01, ha="left")
        _name_sides(axes[-1], history, "kl")
        return figure


def dae_robustness(table: pd.DataFrame) -> Figure:
    """Accuracy and image quality against noise, and accuracy on otherwise damaged images, by what comes first.

    Args:
        table: as `restoration.robustness` returns it.
    """
    names, noise = list(dict.fromkeys(table.front_end)), table[table.damage == "noise"]
    with style.report():
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(17, 5.4))
        for name in names:
            part = noise[noise.front_end == name]
            look = {"color": style.colour(name), "marker": "o", "label": wording.label(name)}
            left.plot(part.level, part.accuracy, **look)
            left.fill_between(part.level, part.low, part.high, color=style.colour(name), alpha=0.1)
            if name != TRAINED:  # it sees the images as they are
                finite = part[np.isfinite(part.psnr)]
                middle.plot(finite.level, finite.psnr, **look)
        left.set(xlabel="Noise (standard deviation)", ylabel="Accuracy", title="Classifier, noisy images")
        middle.set(xlabel="Noise (standard deviation)", ylabel="PSNR (dB)", title="Noisy images")
        key = left.get_legend_handles_labels()
        middle.legend(*key, loc="upper right", fontsize=10)  # where no curve runs
        _otherwise_damaged(right, table[table.damage != "noise"], names)
        figure.suptitle("Does denoising first help a classifier?", x=0.01, ha="left")
        n = int(table.n.iloc[0])
        figure.supxlabel(f"Intervals: 95% Wilson, {n} test images", fontsize=12, color=style.NEUTRAL)
        return figure


def _otherwise_damaged(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Accuracy on blurred and compressed images: a group of intervals per damage and level, one for each front end."""
    groups = list(dict.fromkeys(zip(table.damage, table.level, strict=True)))
    for place, (damage, level) in enumerate(groups):
        part = table[(table.damage == damage) & (table.level == level)].set_index("front_end")
        for step, name in enumerate(names):
            x, row = place + (step - (len(names) - 1) / 2) * 0.12, part.loc[name]
            ax.vlines(x, row.low, row.high, color=style.colour(name), linewidth=3)
            ax.plot(x, row.accuracy, "o", color=style.colour(name))
    units = {"blur": "blur\n{:g} px", "jpeg": "JPEG\nquality {:g}"}
    ax.set_xticks(range(len(groups)), [units[damage].format(level) for damage, level in groups])
    ax.set(ylabel="Accuracy", title="Classifier, other damage")


def vae_latent(points: np.ndarray, labels: np.ndarray, explained: float) -> Figure:
    """The latent space in two dimensions, a dot per image, by class.

    Args:
        points: N 2.
        labels: 0 or 1, N.
        explained: share of the codes' variance that the two dimensions hold.
    """
    with style.report():
        figure, ax = plt.subplots(figsize=(8, 6))
        for label, name in enumerate(CLASSES):
            chosen = points[labels == label]
            ax.scatter(*chosen.T, s=16, alpha=0.6, linewidth=0, color=style.colour(name), label=name)
        ax.set(xlabel="First principal component", ylabel="Second principal component")
        ax.legend(markerscale=2, loc="best")
        figure.suptitle(f"The VAE's latent space ({explained:.0%} of its variance)", x=0.01, ha="left")
        return figure


def _losses(ax: Axes, history: pd.DataFrame, part: str) -> None:
    """Training (dashed) and validation (solid) of one loss by epoch."""
    marker = "o" if len(history) == 1 else None
    ax.plot(history.epoch, history[f"train_{part}"], "--", color=style.colour("train"), marker=marker)
    ax.plot(history.epoch, history[f"validation_{part}"], color=style.colour("validation"), marker=marker)
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)


def _name_sides(ax: Axes, history: pd.DataFrame, part: str) -> None:
    last = history.iloc[-1]
    end_labels(ax, {side: (last.epoch, last[f"{side}_{part}"]) for side in ("train", "validation")})
