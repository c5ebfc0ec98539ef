"""Where a model looks, over many images: energy by band of the face, mean maps, and the sentence."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmlib.explain.measures import border, energy_inside

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


def band_energy(maps: Tensor, bands: Mapping[str, Tensor]) -> pd.DataFrame:
    """Share of each map N H W and of the area in each band: columns `image`, `band`, `energy`, `area`."""
    frames = [
        {
            "image": np.arange(len(maps)),
            "band": name,
            "energy": energy_inside(maps, band).cpu().numpy(),
            "area": band.float().mean((1, 2)).cpu().numpy(),
        }
        for name, band in bands.items()
    ]
    return pd.concat(map(pd.DataFrame, frames), ignore_index=True)


def mean_maps(maps: Tensor, labels: Tensor) -> dict[int, np.ndarray]:
    """Mean map H W of the images of each label."""
    return {int(label): maps[labels == label].mean(0).cpu().numpy() for label in labels.unique()}


def interval(values, seed: int = 0, draws: int = 1000) -> tuple[float, float, float]:
    """Mean of the values that are not NaN, with the ends of its 95 % percentile bootstrap interval."""
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        return (np.nan,) * 3
    picks = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def concentration(bands: pd.DataFrame) -> pd.DataFrame:
    """For each band the mean share of energy and of area, and their quotient with its interval.

    Returns:
        a row per band, the most looked at first, with `energy`, `energy_low`, `energy_high`, `area`, `times`,
        `low`, `high`.
    """
    rows = {}
    for name, part in bands.groupby("band", sort=False):
        energy, area = interval(part["energy"]), part["area"].mean()
        names = ("energy", "energy_low", "energy_high", "area", "times", "low", "high")
        rows[name] = dict(zip(names, (*energy, area, *(value / area for value in energy)), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("times", ascending=False)


def sentence(model: str, bands: pd.DataFrame) -> str:
    """Say in words where a model looks, computed from `band_energy`."""
    table = concentration(bands)
    first = table.iloc[0]
    if not first["low"] > EVEN:
        return f"{model} looks at no part of the image clearly more than at the rest."
    tied = table.index[table["high"] >= first["low"]]
    where = " and the ".join(tied)
    part = table.loc[tied].sum()
    times = f"{part['energy'] / part['area']:.1f} times"
    share = f"{part['energy']:.0%} of its maps' energy on {part['area']:.0%} of the area"
    return f"{model} looks at the {where}: {share}, {times} an even spread."
