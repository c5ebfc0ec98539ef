"""Where a model looks, over many images: bands of the face, mean maps, and the sentence computed from them."""

from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmlib.bootstrap import interval as bootstrap_interval
from fmlib.bootstrap import resamples
from fmlib.explain.measures import border

EVEN = 1.1  # a band that holds less than this times its share of the area is not looked at more than the rest


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


def interval(values, groups=None, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of the values that are not NaN and the ends of its 95 % bootstrap interval, drawn by whole groups."""
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    if not known.any():
        return (np.nan,) * 3
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    values, blocks = values[known], resamples(groups[known], draws, seed)
    means = np.concatenate([weights @ values / weights.sum(1) for weights in blocks])
    return (float(values.mean()), *bootstrap_interval(means))


def concentration(table: pd.DataFrame) -> pd.DataFrame:
    """For each band its mean share of energy and of area, and their quotient with its interval.

    Args:
        table: of `measures.table`, with the rows of the bands only; `group` (if there) is drawn as a whole.

    Returns:
        a row per band, the most looked at first: `energy`, `area`, `times`, `low`, `high`.
    """
    rows = {}
    for name, part in table.groupby("region", sort=False):
        area = part["area"].mean()
        energy, low, high = interval(part["energy"], part.get("group"))
        rows[name] = {
            "energy": energy,
            "area": area,
            "times": energy / area,
            "low": low / area,
            "high": high / area,
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("times", ascending=False)


def sentence(model: str, table: pd.DataFrame) -> str:
    """Say in words where a model looks, from the bands of `measures.table`."""
    bands = concentration(table)
    first = bands.iloc[0]
    if not first["low"] > EVEN:
        return f"{model} looks at no part of the image clearly more than at the rest."
    tied = bands.index[bands["high"] >= first["low"]]
    energy, area = bands.loc[tied, ["energy", "area"]].sum()
    return (
        f"{model} looks at the {' and the '.join(tied)}: {energy:.0%} of its maps' energy lies there, on {area:.0%} "
        f"of the area, {energy / area:.1f} times an even spread."
    )
