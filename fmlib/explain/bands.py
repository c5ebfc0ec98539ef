"""Parts of a face's image, and the mean of many maps."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

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
    """Bands of faces whose lower half is known, N side side: that half, the border, and what is left."""
    frame = border(lower_face.shape[-1]).expand_as(lower_face) & ~lower_face
    names = ("lower face (nose, mouth, chin)", "border of the image", "upper face and surroundings")
    return dict(zip(names, (lower_face, frame, ~lower_face & ~frame), strict=True))


def mean_maps(maps: Tensor, labels: Tensor) -> dict[int, np.ndarray]:
    """Mean map H W of the images of each label."""
    return {int(label): maps[labels == label].mean(0).cpu().numpy() for label in labels.unique()}
