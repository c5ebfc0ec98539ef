"""Images damaged as cameras and networks damage them, and the filters that libraries offer against it."""

import io

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_nl_means
from torch import nn

from fmlib.autoencoders import add_noise
from fmlib.data.batches import to_float
from fmlib.errors import known

NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # standard deviations, images in [0, 1]
BLURS = (1.0, 2.0)  # standard deviations in px
QUALITIES = (20, 5)  # of JPEG
LEVELS = {"noise": NOISES, "blur": BLURS, "jpeg": QUALITIES}


def noisy(images: np.ndarray, sigma: float, seed: int) -> torch.Tensor:
    """Return uint8 images N H W 3 with Gaussian noise: float N 3 H W in [0, 1]. Equal seeds, equal noise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return add_noise(to_float(images), sigma)


def blurred(images: np.ndarray, sigma: float) -> torch.Tensor:
    """Return uint8 images N H W 3 blurred by a Gaussian of `sigma` px: float N 3 H W in [0, 1]."""
    return to_float(ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest"))


def compressed(images: np.ndarray, quality: int) -> torch.Tensor:
    """Return uint8 images N H W 3 as JPEG of this quality leaves them: float N 3 H W in [0, 1]."""
    opened = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=int(quality))
        opened.append(np.asarray(Image.open(buffer)))
    return to_float(np.stack(opened))


def damaged(images: np.ndarray, kind: str, level: float, seed: int) -> torch.Tensor:
    """Return uint8 images N H W 3 with damage of a kind of `LEVELS`: float N 3 H W in [0, 1]."""
    known("damage", kind, LEVELS)
    if kind == "noise":
        return noisy(images, level, seed)
    return blurred(images, level) if kind == "blur" else compressed(images, level)


@torch.inference_mode()
def apply(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return the model's outputs for all images, on the CPU."""
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device)).float().cpu() for part in images.split(batch_size)])


def median(images: torch.Tensor) -> torch.Tensor:
    """Return images N 3 H W, every pixel the median of its 3 x 3 neighbourhood (SciPy's)."""
    return torch.from_numpy(ndimage.median_filter(images.numpy(), size=(1, 1, 3, 3)))


def estimated_noise(image: np.ndarray) -> float:
    """Standard deviation of the noise of an image 3 H W, from what a Laplacian leaves of it (Immerkaer 1996)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rest = [ndimage.convolve(channel, kernel)[1:-1, 1:-1] for channel in image]
    return float(np.sqrt(np.pi / 2) * np.abs(rest).mean() / 6)


def non_local_means(images: torch.Tensor) -> torch.Tensor:
    """Return images N 3 H W after scikit-image's non-local means (Buades et al. 2005), as strong as the noise."""
    cleaned = []
    for image in images.numpy():
        sigma = estimated_noise(image)
        settings = {"h": 0.8 * sigma + 1e-6, "sigma": sigma, "patch_size": 3, "patch_distance": 3}
        cleaned.append(denoise_nl_means(image, fast_mode=True, channel_axis=0, **settings))
    return torch.from_numpy(np.stack(cleaned)).float()


FILTERS = {"median": median, "nl_means": non_local_means}
NOTHING, TRAINED = "nothing", "trained with noise"  # no front end; another classifier in place of one
