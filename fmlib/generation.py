"""Labelled images from a trained VAE: latent codes drawn from what each class occupies, and decoded."""

import numpy as np
import torch

from fmlib.arithmetic import exact
from fmlib.autoencoders import VAE
from fmlib.data.batches import Batches, to_float
from fmlib.errors import UsageError, known

MOST = 10_000  # images that are generated for one classifier
CLUSTERS = 5  # of a class's codes, in the way "mixture"
SPREAD = 0.5  # of the way "perturb": standard deviation of what is added to a code, in those of its class
COPIES = 8  # changed ones of each image, from whose codes a VAE that was trained on such makes images
NEIGHBOURS = (
    5  # of the way "interpolate": how many of the nearest codes of its class a code may be drawn towards
)


def copies(
    images: np.ndarray, labels: np.ndarray, augmentation: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return `COPIES` of each of uint8 images N side side 3, changed by a recipe of augmentation, and their labels."""
    rows = np.arange(len(labels))
    batches = Batches(images, labels, rows, 256, seed, augmentation, passes=COPIES)
    parts = [
        ((changed.permute(0, 2, 3, 1) * 255).round().byte().numpy(), kinds.numpy())
        for changed, kinds in batches.epoch(0)
    ]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


@exact()
@torch.inference_mode()
def codes(
    vae: VAE, images: np.ndarray, labels: np.ndarray | None = None, batch_size: int = 256
) -> np.ndarray:
    """Return the posterior means of uint8 images N side side 3: float32 N latent. A conditional VAE needs labels."""
    vae.eval()
    device = next(vae.parameters()).device
    means = []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        means.append(vae.encode(to_float(images[part]).to(device), _labels(labels, part, device))[0].cpu())
    return torch.cat(means).float().numpy()


@exact()
@torch.inference_mode()
def decode(
    vae: VAE, latents: np.ndarray, labels: np.ndarray | None = None, batch_size: int = 256
) -> np.ndarray:
    """Return the images of latent codes N latent: uint8 N side side 3. A conditional VAE needs labels."""
    vae.eval()
    device = next(vae.parameters()).device
    images, latents = [], torch.from_numpy(np.asarray(latents, np.float32))
    for start in range(0, len(latents), batch_size):
        part = slice(start, start + batch_size)
        made = vae.decode(latents[part].to(device), _labels(labels, part, device)).cpu()
        images.append((made.permute(0, 2, 3, 1) * 255).round().byte())
    return torch.cat(images).numpy()


def _labels(labels: np.ndarray | None, part: slice, device: torch.device) -> torch.Tensor | None:
    return None if labels is None else torch.from_numpy(np.asarray(labels[part], np.int64)).to(device)


def reconstructed(vae: VAE, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return what a VAE makes of the codes of images and labels: uint8 N side side 3."""
    return decode(vae, codes(vae, images, labels), labels)


def prior(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes from the standard normal distribution, wherever `latents` (N D) lie."""
    return rng.standard_normal((count, latents.shape[1]))


def gaussian(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes from the Gaussian fitted to `latents` (N D), its covariance shrunk to the diagonal.

    With few images the covariance is not of full rank; Ledoit-Wolf shrinkage keeps it so.
    """
    from sklearn.covariance import LedoitWolf

    fit = LedoitWolf().fit(latents)
    factor = np.linalg.cholesky(fit.covariance_ + 1e-6 * np.eye(latents.shape[1]))
    return fit.location_ + rng.standard_normal((count, latents.shape[1])) @ factor.T


def mixture(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes from up to `CLUSTERS` Gaussians with diagonal covariances, fitted to `latents` (N D)."""
    from sklearn.mixture import GaussianMixture

    clusters = min(CLUSTERS, len(latents))
    if clusters == 1:
        return latents[np.zeros(count, int)]
    fit = GaussianMixture(
        clusters, covariance_type="diag", reg_covar=1e-4, random_state=int(rng.integers(2**31))
    )
    return rng.permutation(fit.fit(latents).sample(count)[0])


def perturb(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes near those of `latents` (N D): one of them plus noise in the class's own proportions."""
    noise = rng.standard_normal((count, latents.shape[1])) * latents.std(0)
    return latents[rng.integers(len(latents), size=count)] + SPREAD * noise


def interpolate(latents: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` codes on the lines from one of `latents` (N D) to one of its `NEIGHBOURS` nearest (Chawla 2002)."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = min(NEIGHBOURS, len(latents) - 1)
    if not neighbours:
        return latents[np.zeros(count, int)]
    near = (
        NearestNeighbors(n_neighbors=neighbours).fit(latents).kneighbors(return_distance=False)
    )  # not itself
    start = rng.integers(len(latents), size=count)
    end = near[start, rng.integers(neighbours, size=count)]
    return latents[start] + rng.random((count, 1)) * (latents[end] - latents[start])


WAYS = {
    "prior": prior,
    "gaussian": gaussian,
    "mixture": mixture,
    "perturb": perturb,
    "interpolate": interpolate,
}


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

    Raises:
        UsageError: an unknown way, or a class without images.
    """
    draw = WAYS[known("way to generate", way, WAYS)]
    if set(np.unique(labels)) != {0, 1}:
        raise UsageError("images of both classes can only be made from images of both classes")
    rng, each = np.random.default_rng(seed), -(-min(count, MOST) // 2)
    latents, made = codes(vae, images, labels), np.repeat([0, 1], each)
    drawn = [draw(latents[labels == label], each, rng) for label in (0, 1)]
    return decode(vae, np.concatenate(drawn), made), made
