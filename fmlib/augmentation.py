"""Augmentation of whole batches: every image its own transform, its moves in one resampling.

Images are float in [0, 1], or bytes, which a processor changes in a fraction of the time; each step rounds those
(`fmlib.pixels`).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from fmlib.errors import known
from fmlib.pixels import as_float, by_opencv, mean_colours, recoloured, resampled

GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue in brightness (ITU-R BT.601)
TILES = 4  # pieces in a row, of an image in disorder


@dataclass(frozen=True)
class Recipe:
    """Ranges of the random transforms: `shift` as a share of the side, `rotation` in degrees, light as factors."""

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom_out: float = 1.0  # the smallest scale of the content
    zoom_in: float = 1.0  # the largest
    stretch: float = 0.0  # width against height varies by this much
    light: float = 0.0  # brightness and contrast vary by this much
    colour: float = 0.0  # red, green and blue each vary by this much, saturation from none to double
    monochrome: float = 0.0  # share of images that are left with shades of one colour
    coarse: float = 0.0  # share of images that lose detail: to a half or a third of their resolution
    far: float = 0.0  # share of images that become a small part of a larger picture
    farthest: float = 1.0  # the smallest scale of those
    noise: float = 0.0  # largest standard deviation of Gaussian noise
    blend: float = 0.0  # both parameters of the Beta distribution that shares out two images (mixup); 0: none
    cut: float = 0.0  # share of batches that are not blended: each image gets a rectangle of another (CutMix)

    @property
    def mixes(self) -> bool:
        """Whether images get parts of others."""
        return bool(self.blend or self.cut)


GENTLE = Recipe(flip=True, shift=0.1, rotation=10, zoom_out=0.85, zoom_in=1.15, light=0.2)
CLASSIC = replace(GENTLE, blend=0.3)
ROBUST = replace(CLASSIC, stretch=0.15, light=0.35, colour=0.12, coarse=0.35)
RECIPES = {
    "none": Recipe(),
    # of long runs on rendered faces: nothing of another image, and all detail, for a nose is a small part
    "whole": replace(GENTLE, rotation=15, stretch=0.15, light=0.35, colour=0.12),
    "gentle": GENTLE,  # moved and lit, nothing more: of the studies on few images
    "classic": CLASSIC,
    "noisy": replace(CLASSIC, noise=0.3),  # and the noise that the DAE is trained against
    "robust": ROBUST,  # and other proportions, colours and resolutions
    "strong": replace(ROBUST, cut=0.5),  # and rectangles of other images: pays in long runs
    "elsewhere": Recipe(  # faces smaller in the frame, other surroundings, cameras and resolutions
        flip=True,
        shift=0.12,
        rotation=20,
        zoom_out=0.8,
        zoom_in=1.3,
        stretch=0.15,
        light=0.35,
        colour=0.12,
        monochrome=0.12,
        coarse=0.35,
        far=0.5,
        farthest=0.3,
        noise=0.05,
    ),
}


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def affine(recipe: Recipe, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw `count` affine maps from output to input coordinates, count 2 3 (as `affine_grid` takes them).

    A picture that becomes a small part of a larger one may lie anywhere in it.
    """
    angle = torch.deg2rad(_uniform(count, -recipe.rotation, recipe.rotation, generator))
    scale = _uniform(count, recipe.zoom_out, recipe.zoom_in, generator)
    shift = _uniform(2 * count, -recipe.shift, recipe.shift, generator).view(count, 2)
    if recipe.far:
        far = torch.rand(count, generator=generator) < recipe.far
        scale = torch.where(far, _uniform(count, recipe.farthest, recipe.zoom_out, generator), scale)
        place = (1 - scale[:, None]) * _uniform(2 * count, -0.5, 0.5, generator).view(count, 2)
        shift = torch.where(far[:, None], place, shift)
    wide = (1 + _uniform(count, -recipe.stretch, recipe.stretch, generator)).sqrt()
    mirror = torch.ones(count)
    if recipe.flip:
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    across, down = mirror / (scale * wide), wide / scale
    rows = torch.stack(
        [angle.cos() * across, -angle.sin() * across, angle.sin() * down, angle.cos() * down], 1
    )
    turn = rows.view(count, 2, 2)
    # the content's middle lies at 2 * shift of the output: input = turn @ (output - 2 * shift)
    return torch.cat([turn, -(turn @ (2 * shift)[:, :, None])], 2)


def placed(images: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W) moved, turned and zoomed, and what lies around them filled in some way."""
    theta = affine(recipe, len(images), generator).to(images.device)
    moved = resampled(images, theta)
    if not recipe.far:
        return moved
    kind = torch.randint(len(SURROUNDS) + 1, (len(images),), generator=generator)
    for number, surround in enumerate(SURROUNDS, 1):  # 0: mirror images, which are there already
        rows = torch.nonzero(kind == number)[:, 0]
        if len(rows):
            grid = F.affine_grid(theta[rows], [len(rows), *images.shape[1:]], align_corners=False)
            inside = (grid.abs() <= 1).all(-1)[:, None]
            moved[rows] = torch.where(inside, moved[rows], surround(images, len(rows), generator))
    return moved


def _corners(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return much enlarged corners of `count` of the images."""
    others = images[torch.randint(len(images), (count,), generator=generator)]
    corner = _uniform(2 * count, -0.75, 0.75, generator).view(count, 2, 1)
    theta = torch.cat([0.25 * torch.eye(2).expand(count, 2, 2), corner], 2)
    return resampled(others, theta.to(images.device))


def _plain(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return `count` images of a single colour each, one that is in the images."""
    return _corners(images, count, generator)[:, :, :1, :1].expand(-1, -1, *images.shape[-2:])


def _tiles(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return `count` of the images in disorder: each tile shows another place of its image."""
    others = torch.randint(len(images), (count,), generator=generator)
    lines, columns = (torch.arange(length) for length in images.shape[-2:])
    tile = (lines * TILES // len(lines))[:, None] * TILES + columns * TILES // len(columns)
    moves = (torch.randint(len(axis), (count, TILES**2), generator=generator) for axis in (lines, columns))
    down, across = (move[:, tile] for move in moves)
    line, column = (lines[:, None] + down) % len(lines), (columns + across) % len(columns)
    return images[others[:, None, None], :, line, column].permute(0, 3, 1, 2)


# what fills the frame around a picture that was made smaller, where it is not mirrored
SURROUNDS = (_corners, _plain, _tiles)


def coarsened(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W), about two thirds of `share` of them at half, the rest at a third of their detail."""
    side = images.shape[-2:]
    number = torch.rand(len(images), generator=generator)
    images = images.clone()
    for factor, low, high in ((2, 0.0, share * 2 / 3), (3, share * 2 / 3, share)):
        chosen = torch.nonzero((number >= low) & (number < high))[:, 0]
        size = [max(1, length // factor) for length in side]
        if len(chosen):
            small = F.interpolate(images[chosen], size, mode="bilinear", antialias=True)
            images[chosen] = F.interpolate(small, side, mode="bilinear")
    return images


def lit(images: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W) in other light: brightness, contrast, and colours where asked."""
    count, device = len(images), images.device
    light = _uniform(2 * count, 1 - recipe.light, 1 + recipe.light, generator).view(2, count, 1, 1)
    contrast, brightness = light.to(device)
    mix = torch.eye(3).expand(count, 3, 3)
    if recipe.colour or recipe.monochrome:
        gain = _uniform(3 * count, 1 - recipe.colour, 1 + recipe.colour, generator).view(count, 3, 1)
        saturation = _uniform(count, 0, 2, generator).view(count, 1, 1)
        if recipe.monochrome:
            saturation[torch.rand(count, generator=generator) < recipe.monochrome] = 0
        mix = torch.lerp(torch.tensor(GREY).expand(3, 3), torch.eye(3), saturation) * gain
    mix = mix.to(device)
    mean = (mix @ mean_colours(images)[:, :, None]).mean(1, keepdim=True)
    changed = recoloured(images, mix * contrast, mean * (brightness - contrast))
    return changed.clamp_(0, 1) if changed.is_floating_point() else changed


def grainy(images: torch.Tensor, noise: float, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W in [0, 1]) with Gaussian noise of a standard deviation up to `noise`."""
    sigma = _uniform(len(images), 0, noise, generator).view(-1, 1, 1, 1)
    grain = torch.randn(images.shape, generator=generator) * sigma
    return (images + grain.to(images.device)).clamp_(0, 1)


def augment(images: torch.Tensor, name: str, generator: torch.Generator) -> torch.Tensor:
    """Return `images` (N 3 H W) augmented; the randomness comes from `generator` (CPU).

    They are left as they are where the recipe is "none". Bytes may come out as float.
    """
    recipe = RECIPES[known("augmentation", name, RECIPES)]
    if recipe == Recipe():
        return images
    images = images if by_opencv(images) else as_float(images)
    images = placed(images, recipe, generator)
    if recipe.coarse:
        images = coarsened(images, recipe.coarse, generator)
    images = lit(images, recipe, generator)
    return grainy(as_float(images), recipe.noise, generator) if recipe.noise else images


def blended(
    images: torch.Tensor, labels: torch.Tensor, name: str, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend every image (N 3 H W) with another of its batch, or lay a part of it over, if the recipe says so.

    Blended as in mixup (Zhang et al. 2018), each image keeping the larger share of itself; laid over as in CutMix
    (Yun et al. 2019).

    Returns:
        The images, and the share of the class with a mask in each: float32 N, or `labels` (0 or 1, N) where nothing is
        blended.
    """
    recipe = RECIPES[known("augmentation", name, RECIPES)]
    if recipe.cut and rng.random() < recipe.cut:
        return cut(images, labels, rng)
    if not recipe.blend:
        return images, labels
    drawn = rng.beta(recipe.blend, recipe.blend, len(images))
    share = torch.from_numpy(np.maximum(drawn, 1 - drawn)).float()
    other = torch.from_numpy(rng.permutation(len(images)))
    mixed = images[other].lerp_(images, share.view(-1, 1, 1, 1).to(images.device))
    return mixed, torch.lerp(labels[other].float(), labels.float(), share)


def cut(
    images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay the same random rectangle of another image of the batch over each (N 3 H W), of a uniform share of the area.

    What of the rectangle lies outside the frame is lost. Returns the images, and the share of class 1 in each.
    """
    size = np.sqrt(rng.random())
    (top, bottom), (left, right) = (_span(length, size, rng) for length in images.shape[-2:])
    other = torch.from_numpy(rng.permutation(len(images)))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[other, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / images[0, 0].numel()
    return mixed, torch.lerp(labels[other].float(), labels.float(), share)


def _span(length: int, size: float, rng: np.random.Generator) -> tuple[int, int]:
    """Draw where a stretch of `size` lengths begins and ends around any middle, as far as it lies inside."""
    middle, half = length * rng.random(), length * size / 2
    return max(0, round(middle - half)), min(length, round(middle + half))
