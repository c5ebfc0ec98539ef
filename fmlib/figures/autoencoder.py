"""Figures of the autoencoder stages: reconstructions, losses, robustness, latent space, augmentation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmlib.config import CLASSES
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
    """Original, noisy input and what the DAE makes of it after its first and its last epoch."""
    return image_rows(rows, "What the denoising autoencoder restores")


def vae_reconstructions(rows: dict[str, np.ndarray]) -> Figure:
    """Originals and what is left of them after the VAE's bottleneck, after its first and its last epoch."""
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
    """Accuracy and image quality against noise, with and without the DAE before the classifier.

    Args:
        table: as `restoration.robustness` returns it.
    """
    names = {"none": "noisy as it is", "dae": "DAE first"}
    with style.report():
        figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5))
        for front_end, part in table.groupby("front_end"):
            look = {"color": style.colour(front_end), "marker": "o", "label": names[front_end]}
            left.plot(part.sigma, part.accuracy, **look)
            left.fill_between(part.sigma, part.low, part.high, color=style.colour(front_end), alpha=0.16)
            finite = part[np.isfinite(part.psnr)]
            right.plot(finite.sigma, finite.psnr, **look)
        left.set(xlabel="Noise (standard deviation)", ylabel="Accuracy", title="Classifier")
        right.set(xlabel="Noise (standard deviation)", ylabel="PSNR (dB)", title="Images")
        left.legend(loc="lower left")
        figure.suptitle("Does denoising first help a classifier?", x=0.01, ha="left")
        n = int(table.n.iloc[0])
        figure.supxlabel(f"Band: 95% Wilson interval, {n} test images", fontsize=12, color=style.NEUTRAL)
        return figure


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


def vae_augmentation(table: pd.DataFrame) -> Figure:
    """Balanced accuracy by arm and number of source images: a dot per seed, mean and 95% interval.

    Args:
        table: columns per_class, arm, seed, balanced_accuracy, and mean, low, high of each (per_class, arm).
    """
    sizes, arms = sorted(table.per_class.unique()), list(dict.fromkeys(table.arm))
    with style.report():
        figure, axes = plt.subplots(
            1, len(sizes), figsize=(max(8.5, 4.2 * len(sizes)), 4.8), sharey=True, squeeze=False
        )
        for ax, size in zip(axes[0], sizes, strict=True):
            _arms(ax, table[table.per_class == size], arms)
            ax.set_title(f"{size} source images per class")
            ax.set_xlabel("Balanced accuracy on test")
        axes[0, 0].set_yticks(range(len(arms)), [style.label(arm) for arm in arms])
        axes[0, 0].invert_yaxis()
        figure.suptitle("Do generated images help a classifier?", x=0.01, ha="left")
        note = f"Dots: {table.seed.nunique()} seeds; bar: mean with 95% t interval over seeds"
        figure.supxlabel(note, fontsize=12, color=style.NEUTRAL)
        return figure


def _arms(ax: Axes, table: pd.DataFrame, arms: list[str]) -> None:
    """One size: a line of dots and an interval per arm."""
    ax.grid(axis="x")
    for place, arm in enumerate(arms):
        part, colour = table[table.arm == arm], style.colour(arm)
        ax.scatter(
            part.balanced_accuracy,
            np.full(len(part), place + 0.18),
            s=26,
            color=colour,
            alpha=0.5,
            linewidth=0,
        )
        mean, low, high = part[["mean", "low", "high"]].iloc[0]
        if np.isfinite(low):
            ax.hlines(place - 0.1, max(low, 0), min(high, 1), color=colour, linewidth=4)
        ax.plot(mean, place - 0.1, "o", color=colour, markersize=9)


def _losses(ax: Axes, history: pd.DataFrame, part: str) -> None:
    """Training (dashed) and validation (solid) of one loss by epoch."""
    marker = "o" if len(history) == 1 else None
    ax.plot(history.epoch, history[f"train_{part}"], "--", color=style.colour("train"), marker=marker)
    ax.plot(history.epoch, history[f"validation_{part}"], color=style.colour("validation"), marker=marker)
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)


def _name_sides(ax: Axes, history: pd.DataFrame, part: str) -> None:
    last = history.iloc[-1]
    end_labels(ax, {side: (last.epoch, last[f"{side}_{part}"]) for side in ("train", "validation")})
