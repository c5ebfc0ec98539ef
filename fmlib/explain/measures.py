"""Where a map points, measured against what is known: one value per image.

Maps are float N H W, at least 0; regions are bool N H W of the same size. A flat map points nowhere: it
misses, holds no energy and overlaps nothing. Without a region (no mask in the picture) the value is NaN.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from fmlib.explain.cams import normalised

BORDER = 0.1  # the border is a frame of a tenth of the side, 36 % of the area
SIGMA = 0.25  # standard deviation of the centre prior, in sides


def resized(regions: Tensor, side: int) -> Tensor:
    """Scale regions N H W to `side`: a pixel belongs where half of it does; no region vanishes."""
    share = adaptive_avg_pool2d(regions.float()[:, None], side)[:, 0]
    half = share >= 0.5
    touched = adaptive_max_pool2d(regions.float()[:, None], side)[:, 0] > 0
    return torch.where(half.flatten(1).any(1)[:, None, None], half, touched)


def pointing_game(maps: Tensor, regions: Tensor) -> Tensor:
    """Share of each map's highest pixels that lie in the region: 0 or 1 unless a plateau crosses its edge.

    After Zhang et al. (arXiv 1608.00507), who ask for one highest pixel; enlarged coarse maps have plateaus.
    """
    highest = (maps == maps.amax((1, 2), keepdim=True)) & (maps > 0)
    hits = (highest & regions).sum((1, 2)) / highest.sum((1, 2)).clamp(min=1)
    return _where_known(hits, regions)


def energy_inside(maps: Tensor, regions: Tensor) -> Tensor:
    """Share of each map's sum that lies in the region."""
    total = maps.sum((1, 2))
    inside = (maps * regions).sum((1, 2)) / total.where(total > 0, 1)
    return _where_known(inside, regions)


def iou_top(maps: Tensor, regions: Tensor, share: float = 0.2) -> Tensor:
    """Intersection over union of the region and the top `share` of each map's pixels, ties included."""
    values = maps.flatten(1)
    least = values.topk(max(1, round(share * values.shape[1])), dim=1).values[:, -1]
    top = (maps >= least[:, None, None]) & (maps > 0)
    union = (top | regions).sum((1, 2))
    return _where_known((top & regions).sum((1, 2)) / union.clamp(min=1), regions)


def border(side: int, width: float = BORDER) -> Tensor:
    """Frame of the image, bool side side."""
    edge = max(1, round(width * side))
    frame = torch.ones(side, side, dtype=torch.bool)
    frame[edge:-edge, edge:-edge] = False
    return frame


def centre_prior(side: int, sigma: float = SIGMA) -> Tensor:
    """A Gaussian in the middle, side side, highest 1: the map of someone who does not look at the image."""
    line = (torch.arange(side) + 0.5) / side - 0.5
    bell = torch.exp(-line.square() / (2 * sigma**2))
    return bell[:, None] * bell[None, :] / bell.max() ** 2


def coarsened(regions: Tensor, cells: tuple[int, int]) -> Tensor:
    """Regions N side side drawn in so many cells and enlarged again: what a map as coarse can show of them."""
    share = adaptive_avg_pool2d(regions.float()[:, None], cells)
    return normalised(share, regions.shape[-2:])[:, 0]


def table(maps: Tensor, regions: Mapping[str, Tensor]) -> pd.DataFrame:
    """Everything known about maps N H W and each named region: a row per region and image.

    Returns:
        columns `image` (0 to N - 1), `region`, `pointing`, `energy`, `iou` (top 20 %), `area` (share).
    """
    maps = maps.cpu()
    frames = [
        pd.DataFrame(
            {
                "image": np.arange(len(maps)),
                "region": name,
                "pointing": pointing_game(maps, region).numpy(),
                "energy": energy_inside(maps, region).numpy(),
                "iou": iou_top(maps, region).numpy(),
                "area": region.float().mean((1, 2)).numpy(),
            }
        )
        for name, region in regions.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _where_known(values: Tensor, regions: Tensor) -> Tensor:
    return values.where(regions.flatten(1).any(1), torch.nan)
