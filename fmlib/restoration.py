"""How well a denoising autoencoder restores noisy images, and what that does to a classifier."""

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import nn

from fmlib.autoencoders import add_noise
from fmlib.data.batches import to_float
from fmlib.metrics import wilson

NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # standard deviations, images in [0, 1]


def noisy(images: np.ndarray, sigma: float, seed: int) -> torch.Tensor:
    """Return uint8 images N H W 3 with Gaussian noise: float N 3 H W in [0, 1]. Equal seeds, equal noise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return add_noise(to_float(images), sigma)


@torch.inference_mode()
def apply(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return the model's outputs for all images, on the CPU."""
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device)).float().cpu() for part in images.split(batch_size)])


def psnr(images: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each image N 3 H W in [0, 1] (peak 1); equal images have infinity."""
    return -10 * torch.log10((images - reference).square().mean((1, 2, 3)))


def ssim(images: torch.Tensor, reference: torch.Tensor) -> np.ndarray:
    """Structural similarity of each image (Wang et al. 2004, as scikit-image computes it); N."""
    pairs = zip(images.numpy(), reference.numpy(), strict=True)
    return np.array([structural_similarity(a, b, channel_axis=0, data_range=1) for a, b in pairs])


def robustness(classifier: nn.Module, dae: nn.Module, images: np.ndarray, labels: np.ndarray, seed: int):
    """Score noisy images as they are and after the DAE, at every level of `NOISES`.

    Args:
        images: uint8 N side side 3.
        labels: 0 or 1, N.

    Returns:
        DataFrame with sigma, front_end ("none" or "dae"), accuracy with its Wilson interval low and high, n, and the
        images' mean psnr (dB) and ssim against the clean ones.
    """
    clean, rows = to_float(images), []
    for sigma in NOISES:
        damaged = noisy(images, sigma, seed)
        for front_end, seen in (("none", damaged), ("dae", apply(dae, damaged))):
            hits = int((apply(classifier, seen).argmax(1).numpy() == labels).sum())
            low, high = wilson(hits, len(labels))
            quality = {"psnr": float(psnr(seen, clean).mean()), "ssim": float(ssim(seen, clean).mean())}
            rows.append((sigma, front_end, hits / len(labels), low, high, len(labels), *quality.values()))
    return pd.DataFrame(rows, columns=["sigma", "front_end", "accuracy", "low", "high", "n", "psnr", "ssim"])


def verdict(table: pd.DataFrame, sigma: float = 0.3) -> str:
    """Say in a sentence what the DAE does to the classifier's accuracy at one noise level of a robustness table."""
    rows = table[table.sigma == sigma].set_index("front_end")
    plain, restored = rows.loc["none"], rows.loc["dae"]
    clean = table[(table.sigma == 0) & (table.front_end == "none")].accuracy.iloc[0]
    scored = f"accuracy is {plain.accuracy:.3f} without the DAE and {restored.accuracy:.3f} with it"
    apart = restored.low > plain.high or restored.high < plain.low
    how = (
        ("helps" if restored.accuracy > plain.accuracy else "hurts")
        if apart
        else "makes no difference we can tell"
    )
    if sigma == 0:
        return f"On clean images {scored}: it {how}."
    lost, back = clean - plain.accuracy, restored.accuracy - plain.accuracy
    share = f", {back / lost:.0%} of what the noise took" if apart and back > 0 and lost > 0 else ""
    return f"At noise {sigma} {scored}: it {how}{share}."
