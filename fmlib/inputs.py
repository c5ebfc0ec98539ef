"""What a run reads: its data set, the images that train, and how they come in batches."""

from functools import lru_cache

import numpy as np
import pandas as pd

from fmlib.augmentation import RECIPES
from fmlib.config import ClassifierConfig, DataConfig, RunConfig
from fmlib.data import pasting, sources, splits
from fmlib.data.batches import Batches, Mixture, decoded
from fmlib.data.sources import Dataset
from fmlib.errors import UsageError, known
from fmlib.processes import processes

EVALUATION_BATCH = 256
PASTED_SEED = 2**20  # of the faces whose masks are pasted: none of them is an image of a synthetic data set


@lru_cache(maxsize=8)
def dataset(config: DataConfig) -> Dataset:
    """Return the data set of a configuration, loaded once per process."""
    return sources.load(config.dataset, images=config.images, seed=config.seed)


def training_rows(config: RunConfig, data: Dataset) -> tuple[pd.Series, np.ndarray]:
    """Return every image's side of the split and the rows that train."""
    sides = splits.assign(data.manifest, config.split)
    rows = np.flatnonzero(sides == "train")
    if config.train_size:
        rows = splits.subset(data.manifest, rows, config.train_size, config.seed)
    return sides, rows


def training_images(config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that a run trains on, uint8 N side side 3, and their labels."""
    data = dataset(config.data)
    rows = training_rows(config, data)[1]
    return decoded(data, config.side)[rows], data.manifest["label"].to_numpy()[rows]


def validation_rows(config: RunConfig, data: Dataset, sides: pd.Series) -> np.ndarray:
    """Return the rows that a run is validated on, given every image's side of the split."""
    rows = np.flatnonzero(sides == "validation")
    return splits.subset(data.manifest, rows, config.validation_size) if config.validation_size else rows


def batches(config: RunConfig, mixture: Mixture | None = None) -> tuple[Batches, Batches]:
    """Return the batches that a run trains on, `mixture` mixed in, and those it is validated on."""
    data = dataset(config.data)
    sides, train = training_rows(config, data)
    images, labels = decoded(data, config.side), data.manifest["label"].to_numpy()
    place = {"device": processes().device}
    changes = {"mixture": mixture, "passes": config.passes, **_changes(config), **place}
    training = Batches(images, labels, train, config.batch_size, config.seed, **changes)
    return training, Batches(images, labels, validation_rows(config, data, sides), EVALUATION_BATCH, **place)


def _changes(config: RunConfig) -> dict:
    """Return what `Batches` makes of a run's images."""
    if isinstance(config, ClassifierConfig):
        return {"augmentation": config.augmentation, "masks": masks(config) if config.pasted else None}
    recipe = RECIPES[known("augmentation", config.augmentation, RECIPES)]
    if recipe.blend or recipe.cut:
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
