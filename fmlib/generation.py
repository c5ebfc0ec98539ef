"""Labelled images from a trained VAE: latent codes drawn from what each class occupies."""

import numpy as np
import torch

from fmlib.autoencoders import VAE
from fmlib.data.batches import to_float
from fmlib.errors import known

MOST = 10_000  # images that are generated for one classifier


@torch.inference_mode()
def codes(vae: VAE, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Return the posterior means of uint8 images N side side 3: float32 N latent."""
    vae.eval()
    device = next(vae.parameters()).device
    parts = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    return np.concatenate([vae.encode(to_float(part).to(device))[0].cpu().numpy() for part in parts])


@torch.inference_mode()
def decode(vae: VAE, latents: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Return the images of latent codes N latent: uint8 N side side 3."""
    vae.eval()
    device = next(vae.parameters()).device
    parts = torch.from_numpy(np.asarray(latents, np.float32)).split(batch_size)
    images = torch.cat([vae.decode(part.to(device)).cpu() for part in parts])
    return (images.permute(0, 2, 3, 1) * 255).round().byte().numpy()


def sample_codes(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes from the Gaussian fitted to `latents` (N D), its covariance shrunk to the diagonal.

    With few images the covariance is not of full rank; Ledoit-Wolf shrinkage keeps it so.
    """
    from sklearn.covariance import LedoitWolf

    fit = LedoitWolf().fit(latents)
    factor = np.linalg.cholesky(fit.covariance_ + 1e-6 * np.eye(latents.shape[1]))
    return fit.location_ + rng.standard_normal((count, latents.shape[1])) @ factor.T


WAYS = {"gaussian": sample_codes}


def generate(
    vae: VAE, images: np.ndarray, labels: np.ndarray, way: str, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Generate about `count` images, as many of each class, from where the VAE puts the given images of that class.

    Args:
        images: uint8 N side side 3, the VAE's own training images.
        labels: 0 or 1, N.
        way: how codes are drawn, one of `WAYS`.
        count: at most `MOST` are made.

    Returns:
        Images uint8 M side side 3 and their labels.
    """
    draw = WAYS[known("way to generate", way, WAYS)]
    rng, each = np.random.default_rng(seed), -(-min(count, MOST) // 2)
    latents = codes(vae, images)
    drawn = [draw(latents[labels == label], each, rng) for label in (0, 1)]
    return decode(vae, np.concatenate(drawn)), np.repeat([0, 1], each)
