"""The images whose maps are looked at, and what is known about them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_numeric_dtype
from torch import Tensor

from fmlib.data import groups, splits, synthetic
from fmlib.data.batches import to_float
from fmlib.data.decoding import decoded
from fmlib.data.sources import Dataset
from fmlib.errors import UsageError
from fmlib.explain import bands, measures

SMEARED = ("rotate", "zoom")  # alterations of rendered images that smear borders


@dataclass(frozen=True)
class Faces:
    """The images that are explained (rows of a data set's manifest) and what is known about them."""

    data: Dataset
    rows: np.ndarray
    side: int

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 N side side 3."""
        return np.asarray(decoded(self.data, self.side)[self.rows])

    @cached_property
    def images(self) -> Tensor:
        """Float N 3 side side in [0, 1]."""
        return to_float(self.pixels)

    @cached_property
    def manifest(self) -> pd.DataFrame:
        return self.data.manifest.iloc[self.rows].reset_index(drop=True)

    @cached_property
    def labels(self) -> Tensor:
        return torch.tensor(self.manifest["label"].to_numpy())

    @property
    def known(self) -> bool:
        """Whether mask and lower face are known in every image, as in rendered ones."""
        return self._truth is not None

    @cached_property
    def described(self) -> bool:
        """Whether way of wearing, pose and occluder of every image are known, as of rendered ones."""
        table = self.manifest
        return {"wear", "yaw", "occluder"} <= set(table) and is_numeric_dtype(table["yaw"].dropna())

    @cached_property
    def altered(self) -> np.ndarray | None:
        """Whether each image is known for a turned, zoomed or otherwise altered copy, bool N; None if of none.

        Such copies have smeared borders. Rendered ones say what was done to them, others by a tool's file name.
        """
        if "copy" in self.manifest:
            known = self.manifest["copy"].isin(SMEARED).to_numpy()
        else:
            known = (self.manifest["path"].map(groups.name_origin) != "").to_numpy()
        return known if known.any() else None

    @cached_property
    def bands(self) -> dict[str, Tensor]:
        """Parts of the image that together make the whole, bool N side side each."""
        if self.known:
            return bands.anatomy(self._truth[1])
        return bands.thirds(len(self.rows), self.side)

    @cached_property
    def regions(self) -> dict[str, Tensor]:
        """The bands, the frame, and where they are known the mask and the lower face."""
        frame = measures.border(self.side).expand(len(self.rows), -1, -1)
        truth = dict(zip(("mask", "lower face"), self._truth, strict=True)) if self.known else {}
        return {**truth, "frame": frame, **self.bands}

    @cached_property
    def _truth(self) -> list[Tensor] | None:
        """Mask and lower face, bool N side side each; None where the folder does not tell of every image."""
        try:
            known = synthetic.regions(self.data.root, list(self.manifest["path"]))
        except UsageError:
            return None
        return [measures.resized(torch.from_numpy(region), self.side) for region in known]

    @property
    def outline(self) -> np.ndarray | None:
        """Share of the images in which each pixel belongs to the lower face once all are aligned, side side.

        None where it is not known.
        """
        if not self.known:
            return None
        lower = self.regions["lower face"]
        return np.nan_to_num(bands.mean_map(*bands.aligned(lower.float(), lower)))

    def first(self, count: int) -> "Faces":
        """About `count` of these images, both classes as often as here."""
        return sample(self.data, self.rows, self.side, count)


def sample(data: Dataset, rows: np.ndarray, side: int, count: int | None, seed: int = 0) -> Faces:
    """All of these rows, or a stratified sample of about `count`."""
    if count is not None and count < len(rows):
        rows = np.sort(splits.subset(data.manifest, rows, count, seed))
    return Faces(data, np.asarray(rows), side)
