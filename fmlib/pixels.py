"""Arithmetic on batches of images (N C H W): by OpenCV in the memory of a processor, by torch on other devices.

OpenCV needs less time for it than torch, and takes bytes, too (`benchmarks/augmentation_speed.py`). There images are
uint8, float32 or float64, without gradients.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
import torch
from torch.nn import functional as F

RESAMPLING = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def as_float(images: torch.Tensor) -> torch.Tensor:
    """Return images as float in [0, 1], whether they are that already or bytes."""
    return images if images.is_floating_point() else images.float().div_(255)


def by_opencv(images: torch.Tensor) -> bool:
    """Whether OpenCV changes these images: those in the memory of the processor."""
    return images.device.type == "cpu"


def one_by_one(
    change: Callable[[np.ndarray, np.ndarray, np.ndarray], None], images: torch.Tensor, settings: np.ndarray
) -> torch.Tensor:
    """Return what `change` (image H W 3, where the changed one goes, its setting) makes of `images` (N 3 H W).

    Threads of our own take their shares of the images; OpenCV's keep a core busy for a while after their work.
    """
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
    changed, threads = np.empty_like(pixels), torch.get_num_threads()

    def part(first: int) -> None:
        for row in range(first, len(pixels), threads):
            change(pixels[row], changed[row], settings[row])

    list(_pool(threads).map(part, range(threads)))
    return torch.from_numpy(changed).permute(0, 3, 1, 2)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(threads, "pixels")


def resampled(images: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """Return `images` (N 3 H W) resampled by the affine maps `theta` (N 2 3), mirrored at their edges.

    The maps lead from output to input coordinates, as those of `affine_grid`.
    """
    if not by_opencv(images):
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    height, width = images.shape[2:]

    def move(image: np.ndarray, target: np.ndarray, matrix: np.ndarray) -> None:
        cv2.warpAffine(image, matrix, (width, height), target, RESAMPLING, cv2.BORDER_REFLECT)

    return one_by_one(move, images, in_pixels(theta, height, width))


def in_pixels(theta: torch.Tensor, height: int, width: int) -> np.ndarray:
    """Turn affine maps of coordinates in [-1, 1] (N 2 3) into maps of pixels, counted from the middle of the first."""
    scale = np.array([[width / 2], [height / 2]])
    linear = theta[:, :, :2].double().numpy() * scale / scale.T
    middle = scale - 0.5
    shift = theta[:, :, 2:].double().numpy() * scale + middle - linear @ middle
    return np.concatenate([linear, shift], 2)


def mean_colours(images: torch.Tensor) -> torch.Tensor:
    """Return the mean of each channel of each image (N 3 H W): float32 N 3."""
    if not by_opencv(images):
        return images.mean((2, 3))
    means = [cv2.mean(image)[:3] for image in images.permute(0, 2, 3, 1).contiguous().numpy()]
    return torch.tensor(means, dtype=torch.float32).view(-1, 3)


def recoloured(images: torch.Tensor, mix: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Return `images` (N 3 H W), the colours of each mapped by its matrix in `mix` (N 3 3), plus `offset` (N 1 1).

    The offset is in the unit of the images. Bytes are rounded and end at 0 and 255, floats may leave [0, 1].
    """
    if not by_opencv(images):
        pixels = images.permute(0, 2, 3, 1)
        flat = torch.baddbmm(offset, pixels.flatten(1, 2), mix.transpose(1, 2))
        return flat.view(pixels.shape).permute(0, 3, 1, 2)

    def recolour(image: np.ndarray, target: np.ndarray, matrix: np.ndarray) -> None:
        cv2.transform(image, matrix, target)

    return one_by_one(recolour, images, torch.cat([mix, offset.expand(-1, 3, 1)], 2).numpy())
