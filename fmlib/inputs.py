"""What a run reads: its data set, the images that train, and how they come in batches."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from fmlib.augmentation import RECIPES
from fmlib.config import ClassifierConfig, DataConfig, RunConfig
from fmlib.data import pasting, sources, splits
from fmlib.data.batches import Batches, Mixture
from fmlib.data.decoding import decoded
from fmlib.data.sources import Dataset
from fmlib.errors import UsageError, known
from fmlib.fingerprints import digest
from fmlib.processes import processes
from fmlib.resizing import Growth

EVALUATION_BATCH = 256
PASTED_SEED = 2**20  # of the faces whose masks are pasted: none of them is an image of a synthetic data set


@lru_cache(maxsize=8)
def dataset(config: DataConfig) -> Dataset:
    """Return the data set of a configuration, loaded once per process."""
    return sources.load(config.dataset, images=config.images, seed=config.seed)


@dataclass(frozen=True, eq=False)
class Parts:
    """Which images of a data set a run uses: every image's side of the split, the rows that train and that validate.

    Attributes:
        digest: stands for all three in a run's key.
    """

    sides: pd.Series
    train: np.ndarray
    validation: np.ndarray
    digest: str


def parts(config: RunConfig, data: Dataset) -> Parts:
    """Return the parts that a run's images have in a data set, found once per process."""
    seed = config.seed if config.train_size else 0
    return _parts(data, config.split, config.train_size, config.validation_size, seed)


@lru_cache(maxsize=128)
def _parts(
    data: Dataset, split: str, train_size: int | None, validation_size: int | None, seed: int
) -> Parts:
    sides, name = _sides(data, split)
    train, validation = (np.flatnonzero(sides == side) for side in ("train", "validation"))
    if train_size:
        train = splits.subset(data.manifest, train, train_size, seed)
    if validation_size:
        validation = splits.subset(data.manifest, validation, validation_size)
    return Parts(sides, train, validation, digest([name, train.tolist(), validation.tolist()]))


@lru_cache(maxsize=16)
def _sides(data: Dataset, split: str) -> tuple[pd.Series, str]:
    """Return every image's side of a split, and their digest."""
    sides = splits.assign(data.manifest, split)
    return sides, digest(sides.tolist())


def seen(config: RunConfig) -> int:
    """Return the number of images that a training goes through."""
    return config.epochs * config.passes * len(parts(config, dataset(config.data)).train)


def training_images(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that a run trains on, uint8 N side side 3, and their labels."""
    data = dataset(config.data)
    rows = parts(config, data).train
    return decoded(data, config.side)[rows], data.manifest["label"].to_numpy()[rows]


def batches(config: RunConfig, mixture: Mixture | None = None) -> tuple[Batches, Batches]:
    """Return the batches that a run trains on, `mixture` mixed in, and those it is validated on."""
    data = dataset(config.data)
    own = parts(config, data)
    images, labels = decoded(data, config.side), data.manifest["label"].to_numpy()
    place = {"device": processes().device}
    changes = {"mixture": mixture, "passes": config.passes, **_changes(config), **place}
    training = Batches(images, labels, own.train, config.batch_size, config.seed, **changes)
    return training, Batches(images, labels, own.validation, EVALUATION_BATCH, **place)


def _changes(config: RunConfig) -> dict:
    """Return what `Batches` makes of a run's images."""
    if isinstance(config, ClassifierConfig):
        pasted = masks(config) if config.pasted else None
        growth = Growth(config.initial_scale, config.epochs)
        return {"augmentation": config.augmentation, "masks": pasted, "growth": growth}
    recipe = RECIPES[known("augmentation", config.augmentation, RECIPES)]
    if recipe.mixes:
        raise UsageError(
            f"augmentation {config.augmentation!r} mixes images; an autoencoder needs whole ones"
        )
    return {"augmentation": config.augmentation}


def masks(config: RunConfig) -> pasting.Masks:
    """Return the masks of as many rendered faces as the configuration asks for."""
    faces = rendered(config)
    return pasting.masks(faces, decoded(faces, config.side))


def rendered(config: RunConfig) -> Dataset:
    """Return the rendered faces whose masks are pasted."""
    return dataset(DataConfig("synthetic", config.pasted, PASTED_SEED))
