"""Classic augmentation of whole batches: every image its own transform, one resampling for all of them."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from fmlib.errors import known


@dataclass(frozen=True)
class Recipe:
    """Ranges of the random transforms: `shift` as a share of the side, `rotation` in degrees, light as factors."""

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom_out: float = 1.0  # the smallest scale of the content
    zoom_in: float = 1.0  # the largest
    light: float = 0.0  # brightness and contrast vary by this much
    coarse: float = 0.0  # share of images that lose detail: to a half or a third of their resolution


RECIPES = {
    "none": Recipe(),
    "classic": Recipe(flip=True, shift=0.1, rotation=10, zoom_out=0.85, zoom_in=1.15, light=0.2),
    "strong": Recipe(flip=True, shift=0.12, rotation=15, zoom_out=0.7, zoom_in=1.3, light=0.35, coarse=0.45),
}


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def affine(recipe: Recipe, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw `count` affine maps from output to input coordinates, count 2 3 (as `affine_grid` takes them)."""
    angle = torch.deg2rad(_uniform(count, -recipe.rotation, recipe.rotation, generator))
    scale = 1 / _uniform(count, recipe.zoom_out, recipe.zoom_in, generator)
    mirror = torch.ones(count)
    if recipe.flip:
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift = _uniform(2 * count, -2 * recipe.shift, 2 * recipe.shift, generator).view(count, 2)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]], 1)
    return rows.view(count, 2, 3)


def coarsened(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W), about two thirds of `share` of them at half, the rest at a third of their detail."""
    side = images.shape[-2:]
    number = torch.rand(len(images), generator=generator).view(-1, 1, 1, 1).to(images.device)
    for factor, low, high in ((2, 0.0, share * 2 / 3), (3, share * 2 / 3, share)):
        small = F.interpolate(
            images, [max(1, length // factor) for length in side], mode="bilinear", antialias=True
        )
        blurred = F.interpolate(small, side, mode="bilinear")
        images = torch.where((number >= low) & (number < high), blurred, images)
    return images


def augment(images: torch.Tensor, name: str, generator: torch.Generator) -> torch.Tensor:
    """Return augmented copies of `images` (N 3 H W in [0, 1]); the randomness comes from `generator` (CPU)."""
    recipe = RECIPES[known("augmentation", name, RECIPES)]
    if recipe == Recipe():
        return images
    count = len(images)
    theta = affine(recipe, count, generator).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if recipe.coarse:
        images = coarsened(images, recipe.coarse, generator)
    light = _uniform(2 * count, 1 - recipe.light, 1 + recipe.light, generator).view(2, count, 1, 1, 1)
    contrast, brightness = light.to(images.device)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean * brightness).clamp(0, 1)
