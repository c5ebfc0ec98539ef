"""Masks of rendered faces laid over photographed faces that wear none: more people and more masks than a set holds."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from fmlib.data import synthetic
from fmlib.data.sources import Dataset

TURN = 20  # degrees to either side that a rendered head may be turned: most photographed faces look ahead
SOFT = 0.01  # blur of a mask's outline, in sides
SHARE = 0.4  # of the faces without a mask that get one
# Faces fill the frame of a photograph a little more than that of a rendering, and their chins lie lower: ranges of
# the factor of size and of the shift down, in sides.
ZOOM, DOWN, ASIDE, ROTATION = (0.95, 1.25), (-0.02, 0.08), 0.03, 8


@dataclass(frozen=True)
class Masks:
    """Rendered faces (uint8 M side side 3) and how far each pixel is covered by their mask (uint8 M side side)."""

    images: np.ndarray
    cover: np.ndarray


def masks(faces: Dataset, images: np.ndarray) -> Masks:
    """Take the masks of rendered faces that look ahead and wear one properly.

    Args:
        images: the faces, uint8 N side side 3.
    """
    table = faces.manifest
    rows = np.flatnonzero((table["wear"] == "proper") & (table["yaw"].abs() <= TURN))
    regions = synthetic.regions(faces.root, list(table["path"].iloc[rows]))[0]
    return Masks(images[rows], np.stack([_cover(region, images.shape[1]) for region in regions]))


def _cover(region: np.ndarray, side: int) -> np.ndarray:
    area = cv2.resize(region.astype(np.uint8) * 255, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(area, (0, 0), SOFT * side)


def pasted(
    images: torch.Tensor, labels: torch.Tensor, pool: Masks, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images N 3 H W in [0, 1] and labels N, where `SHARE` of the faces without a mask have got one."""
    bare = torch.nonzero(labels == 0)[:, 0]
    chosen = bare[torch.rand(len(bare), generator=generator) < SHARE]
    if not len(chosen):
        return images, labels
    labels = labels.clone()
    labels[chosen] = 1
    return covered(images, chosen, pool, generator)[0], labels


def covered(
    images: torch.Tensor, chosen: torch.Tensor, pool: Masks, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images N 3 H W in [0, 1], those `chosen` (their rows, at least one) with any mask of the pool laid over.

    Without a generator torch's global random state is drawn from.

    Returns:
        The images, and how far each pixel is covered: N 1 H W in [0, 1].
    """
    drawn = torch.randint(len(pool.images), (len(chosen),), generator=generator).numpy()
    layers = np.concatenate([pool.images[drawn], pool.cover[drawn][..., None]], 3)  # K H W 4
    layers = torch.from_numpy(layers).to(images.device).permute(0, 3, 1, 2).float() / 255
    place = _placing(len(chosen), generator).to(images.device)
    # masks come out as large as the images that they are laid over, whatever their own size
    grid = F.affine_grid(place, [*layers.shape[:2], *images.shape[2:]], align_corners=False)
    layers = F.grid_sample(layers, grid, align_corners=False)
    images, cover = images.clone(), torch.zeros_like(images[:, :1])
    cover[chosen] = layers[:, 3:]
    images[chosen] = torch.lerp(images[chosen], layers[:, :3], layers[:, 3:])
    return images, cover


def _placing(count: int, generator: torch.Generator | None) -> torch.Tensor:
    """Draw maps from a photograph's to a rendering's coordinates, count 2 3."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle, zoom = torch.deg2rad(uniform(-ROTATION, ROTATION)), uniform(*ZOOM)
    aside, down = 2 * uniform(-ASIDE, ASIDE), 2 * uniform(*DOWN)
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    rows = [cosine, -sine, -(cosine * aside - sine * down), sine, cosine, -(sine * aside + cosine * down)]
    return torch.stack(rows, 1).view(count, 2, 3)
