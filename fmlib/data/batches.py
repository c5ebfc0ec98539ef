"""Images decoded and resized once into one memory-mapped array, and batches drawn from it without file I/O."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image

from fmlib.augmentation import augment, blended
from fmlib.config import home
from fmlib.damaged_files import DamagedError, damage
from fmlib.data.pasting import SHARE, Masks, pasted
from fmlib.data.sources import Dataset
from fmlib.files import full_disk_named, reserve
from fmlib.fingerprints import code_version
from fmlib.progress import tqdm

AHEAD = 1024  # images that may be decoded and not yet written
CPU = torch.device("cpu")
CODE = ("data/batches.py", "data/pictures.py")  # the way from file to pixels


def squared(image: Image.Image, side: int) -> np.ndarray:
    """Return an RGB image squeezed to a square: uint8 side side 3."""
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image)


def decoded(dataset: Dataset, side: int) -> np.ndarray:
    """Return all images of `dataset`, squeezed to squares: a read-only memory map, uint8 N side side 3.

    It is made once per content and side and shared by all processes. A file of another size than it must have is
    made again, with a message.
    """
    path = home() / "cache" / f"{dataset.fingerprint}-{side}-{code_version(CODE)}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(dataset.manifest), side, side, 3)
    with full_disk_named(path.parent), FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return _mapped(path, shape)
            except DamagedError as error:
                print(f"{error}; the images are decoded again", file=sys.stderr)
                path.unlink()
        _decode(dataset, side, path, shape)
    return _mapped(path, shape)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Map a decoded array; raise DamagedError if the file is none, or one of another shape."""
    with damage(path):
        array = np.lib.format.open_memmap(path, "r")
    if array.shape != shape or array.dtype != np.uint8:
        raise DamagedError(f"{path.name} is damaged: it holds {array.dtype} {array.shape}, not uint8 {shape}")
    return array


def _decode(dataset: Dataset, side: int, path: Path, shape: tuple[int, ...]) -> None:
    partial = path.with_suffix(".partial")
    count = len(dataset.manifest)
    try:
        array = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        reserve(partial)
        with ThreadPoolExecutor() as pool, tqdm(total=count, desc=f"decoding {side} px", leave=False) as bar:
            for start in range(0, count, AHEAD):
                rows = range(start, min(start + AHEAD, count))
                images = pool.map(lambda row: squared(dataset.open(row), side), rows)
                for row, image in zip(rows, images, strict=True):
                    array[row] = image
                    bar.update()
        array.flush()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def to_float(images: np.ndarray, device: torch.device = CPU) -> torch.Tensor:
    """Turn uint8 images N H W 3 into a float tensor N 3 H W in [0, 1] on `device`, channels last in memory."""
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float().div_(255)


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
        device: torch.device = CPU,
    ):
        self.images, self.labels, self.rows = images, np.asarray(labels), np.asarray(rows)
        self.batch_size, self.seed, self.passes = batch_size, seed, passes
        self.augmentation = augmentation
        self.mixture, self.masks, self.device = mixture, masks, device

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
            yield self._batch(self.rows[start : start + self.batch_size])

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the batches of epoch `number`, shuffled and augmented, all of nearly the same size.

        Labels are shares of the class with a mask where images are blended.
        """
        rng = np.random.default_rng([self.seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        mixed = self.mixture and number <= (self.mixture.epochs or number)
        for rows in np.array_split(rng.permutation(np.tile(self.rows, self.passes)), len(self)):
            images, labels = self._mixed(rows, rng) if mixed else self._batch(np.sort(rows))
            if self.masks:
                images, labels = pasted(images, labels, self.masks, generator)
            yield blended(augment(images, self.augmentation, generator), labels, self.augmentation, rng)

    def _batch(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return to_float(self.images[rows], self.device), torch.from_numpy(self.labels[rows].astype(np.int64))

    def _mixed(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch whose last images are drawn from the mixture."""
        count = int(len(rows) * self.mixture.share)
        images, labels = self._batch(np.sort(rows[: len(rows) - count]))
        drawn = np.sort(rng.integers(len(self.mixture.labels), size=count))
        labels = torch.cat([labels, torch.from_numpy(self.mixture.labels[drawn].astype(np.int64))])
        return torch.cat([images, to_float(self.mixture.images[drawn], self.device)]), labels
