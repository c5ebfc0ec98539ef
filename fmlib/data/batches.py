"""Batches drawn from decoded images without file I/O, shuffled and augmented anew in every epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from fmlib.augmentation import augment, blended
from fmlib.data.pasting import SHARE, Masks, pasted
from fmlib.pixels import as_float
from fmlib.resizing import Growth

CPU = torch.device("cpu")
WHOLE = Growth()


def to_bytes(images: np.ndarray, device: torch.device = CPU, side: int | None = None) -> torch.Tensor:
    """Turn uint8 images N H W 3 into a uint8 tensor N 3 H W on `device`, channels last in memory.

    With `side` they become squares of so many px before they leave the CPU: antialiased, and rounded.
    """
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    if side and pixels.shape[2:] != (side, side):
        pixels = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return pixels.to(device)


def to_float(images: np.ndarray, device: torch.device = CPU) -> torch.Tensor:
    """Turn uint8 images N H W 3 into a float tensor N 3 H W in [0, 1] on `device`, channels last in memory."""
    return as_float(to_bytes(images, device))


@dataclass(frozen=True)
class Mixture:
    """Further images (uint8 M side side 3) and their labels (M), which replace a share of every batch.

    After `epochs` of them (None: never) the batches hold the set's own images alone.
    """

    images: np.ndarray
    labels: np.ndarray
    share: float = 0.5
    epochs: int | None = None


class Batches:
    """Batches of some rows of a decoded array, shuffled and augmented anew in every epoch.

    The order and the augmentation of an epoch are a function of (seed, epoch) alone.

    Args:
        images: uint8 N side side 3, usually a memory map.
        labels: N.
        rows: the rows that are used.
        augmentation: name of a recipe of `fmlib.augmentation`.
        mixture: images that are mixed in; the number of batches and their sizes stay the same.
        masks: masks that are laid over some of the faces without one.
        passes: how often an epoch holds every row.
        growth: of which side the images of an epoch are.
        device: where the images are augmented and yielded; labels stay on the CPU.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        seed: int = 0,
        augmentation: str = "none",
        mixture: Mixture | None = None,
        masks: Masks | None = None,
        passes: int = 1,
        growth: Growth = WHOLE,
        device: torch.device = CPU,
    ):
        self.images, self.labels, self.rows = images, np.asarray(labels), np.asarray(rows)
        self.batch_size, self.seed, self.passes = batch_size, seed, passes
        self.augmentation = augmentation
        self.mixture, self.masks, self.growth, self.device = mixture, masks, growth, device

    def __len__(self) -> int:
        return -(-len(self.rows) * self.passes // self.batch_size)

    def class_shares(self) -> np.ndarray:
        """Share of each class among the images of an epoch, with the mixture if there is one; float64 2."""
        shares = np.bincount(self.labels[self.rows], minlength=2) / len(self.rows)
        if self.mixture:
            made = np.bincount(self.mixture.labels, minlength=2) / len(self.mixture.labels)
            shares = (1 - self.mixture.share) * shares + self.mixture.share * made
        return shares + (SHARE * shares[0] * np.array([-1, 1]) if self.masks else 0)

    def ordered(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (images N 3 H W in [0, 1], labels N) in the rows' order, as they are."""
        for start in range(0, len(self.rows), self.batch_size):
            images, labels = self._batch(self.rows[start : start + self.batch_size])
            yield as_float(images), labels

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the batches of epoch `number`, shuffled and augmented, all of nearly the same size.

        Labels are shares of the class with a mask where images are blended.
        """
        rng = np.random.default_rng([self.seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        side = self.growth.side(self.images.shape[1], number)
        mixed = self.mixture and number <= (self.mixture.epochs or number)
        for rows in np.array_split(rng.permutation(np.tile(self.rows, self.passes)), len(self)):
            images, labels = self._mixed(rows, rng, side) if mixed else self._batch(np.sort(rows), side)
            if self.masks:
                images, labels = pasted(as_float(images), labels, self.masks, generator)
            images = as_float(augment(images, self.augmentation, generator))
            yield blended(images, labels, self.augmentation, rng)

    def _batch(self, rows: np.ndarray, side: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.from_numpy(self.labels[rows].astype(np.int64))
        return to_bytes(self.images[rows], self.device, side), labels

    def _mixed(
        self, rows: np.ndarray, rng: np.random.Generator, side: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch whose last images are drawn from the mixture."""
        count = int(len(rows) * self.mixture.share)
        images, labels = self._batch(np.sort(rows[: len(rows) - count]), side)
        drawn = np.sort(rng.integers(len(self.mixture.labels), size=count))
        labels = torch.cat([labels, torch.from_numpy(self.mixture.labels[drawn].astype(np.int64))])
        return torch.cat([images, to_bytes(self.mixture.images[drawn], self.device, side)]), labels
