"""Parts of a face's image, and the mean of many maps."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from fmlib.explain.measures import border


def thirds(count: int, side: int) -> dict[str, Tensor]:
    """Bands of photographs of which nothing is known but that a face fills them, each N side side."""
    edges = [0, round(side / 3), round(2 * side / 3), side]
    names = ("upper third (forehead, hair)", "middle third (eyes, nose)", "lower third (mouth, chin)")
    bands = {name: torch.zeros(count, side, side, dtype=torch.bool) for name in names}
    for band, (top, bottom) in zip(bands.values(), pairwise(edges), strict=True):
        band[:, top:bottom] = True
    return bands


def anatomy(lower_face: Tensor) -> dict[str, Tensor]:
    """Bands of faces whose lower half is known, N side side: its two halves, the border, and what is left."""
    frame = border(lower_face.shape[-1]).expand_as(lower_face) & ~lower_face
    rows = torch.arange(lower_face.shape[-2])[:, None]
    nose = lower_face & (rows < _moments(lower_face)[1].view(-1, 1, 1))
    names = ("nose and cheeks", "mouth and chin", "border of the image", "upper face and surroundings")
    return dict(zip(names, (nose, lower_face & ~nose, frame, ~lower_face & ~frame), strict=True))


def aligned(maps: Tensor, lower_face: Tensor) -> tuple[Tensor, Tensor]:
    """Shift and scale maps N side side so that every lower face has the mean place and size of all.

    Returns:
        the moved maps, and where they are known: bool N side side, false where the picture had ended.
    """
    x, y, size = _moments(lower_face)
    scale = size / size.mean()
    side = maps.shape[-1]
    theta = torch.zeros(len(maps), 2, 3)  # from the common frame to each picture, both in [-1, 1]
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    for row, centre in enumerate((x, y)):
        place = 2 * (centre + 0.5) / side - 1
        theta[:, row, 2] = place - scale * place.mean()
    grid = affine_grid(theta, [len(maps), 1, side, side], align_corners=False)
    moved = grid_sample(maps[:, None].cpu(), grid, padding_mode="border", align_corners=False)[:, 0]
    return moved, (grid.abs() <= 1).all(-1)


def _moments(regions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre x and y in px, and the root of the area, of regions N side side; the middle of an empty one."""
    area = regions.sum((1, 2))
    line = torch.arange(regions.shape[-1], dtype=torch.float)
    middle = line.mean()
    x, y = ((regions.sum(axis) * line).sum(1) / area.clamp(min=1) for axis in (1, 2))
    x, y = (torch.where(area > 0, centre, middle) for centre in (x, y))
    return x, y, torch.where(area > 0, area, area.float().mean()).clamp(min=1).sqrt()


def mean_map(maps: Tensor, known: Tensor) -> np.ndarray:
    """Mean over maps N H W of what is known of each pixel; NaN where nothing is."""
    return ((maps * known).sum(0) / known.sum(0)).numpy()


def mean_maps(maps: Tensor, labels: Tensor, lower_face: Tensor | None = None) -> dict[int, np.ndarray]:
    """Mean map H W of the images of each label, aligned by their lower faces where these are given."""
    known = torch.ones_like(maps, dtype=torch.bool)
    if lower_face is not None:
        maps, known = aligned(maps, lower_face)
    return {
        int(label): mean_map(maps[labels == label].cpu(), known[labels == label].cpu())
        for label in labels.unique()
    }
