"""What a run is made of: the network as it starts and as it is loaded, the images mixed in, the predictions.

Networks that others start from or learn from are asked of `trained`, which gives the trained network of an
autoencoder's configuration.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import nn

from fmlib import better_autoencoders, generation, models, training
from fmlib.config import UNMASKING, AutoencoderConfig, ClassifierConfig, RunConfig
from fmlib.data.batches import Batches, Mixture
from fmlib.data.decoding import decoded
from fmlib.data.sources import Dataset
from fmlib.errors import UsageError
from fmlib.inputs import EVALUATION_BATCH, parts, seen, training_images

# autoencoders that have the encoder of the classifier "dae-encoder"
ENCODERS = ("dae", *UNMASKING)
Trained = Callable[[AutoencoderConfig], nn.Module]


def build(config: RunConfig) -> nn.Module:
    """Build the untrained network of a configuration, its weights drawn from the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        if isinstance(config, ClassifierConfig):
            return models.build(config.model, config.activation, config.side, config.pretrained)
        return better_autoencoders.build(config.model, config.side, config.latent)


def skeleton(config: RunConfig) -> nn.Module:
    """Build the network of a configuration for trained weights to be loaded into; nothing is downloaded."""
    with torch.random.fork_rng():
        if isinstance(config, ClassifierConfig):
            return models.skeleton(config.model, config.activation, config.side, config.pretrained)
        return better_autoencoders.build(config.model, config.side, config.latent)


def started(config: RunConfig, trained: Trained) -> nn.Module:
    """Return the network as training begins: drawn from the seed, or with the encoder of the DAE it starts from."""
    model = build(config)
    if isinstance(config, ClassifierConfig) and config.start:
        if config.model != "dae-encoder" or config.start.model not in ENCODERS:
            raise UsageError(
                f"{config.model} cannot start from the autoencoder {config.start.model!r}; dae-encoder can, from "
                f"{', '.join(ENCODERS[:-1])} or {ENCODERS[-1]}"
            )
        model.cam_layer.load_state_dict(trained(config.start).encoder.state_dict())
    return model


def mixture(config: RunConfig, trained: Trained) -> Mixture | None:
    """Return the generated images that a classifier is trained with, None if there are none."""
    made = getattr(config, "generated", None)
    if made is None:
        return None
    source = made.autoencoder
    images, labels = training_images(source)
    if source.augmentation != "none":
        images, labels = generation.copies(images, labels, source.augmentation, source.seed)
    shown = round(seen(config) * made.share * made.until)
    drawn = generation.generate(trained(source), images, labels, made.way, shown, config.seed)
    return Mixture(*drawn, made.share, max(1, round(made.until * config.epochs)))


def predictions(model: nn.Module, config: RunConfig, data: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """Return a classifier's predictions for some rows of a data set: path, group, label, logit, probability."""
    labels = data.manifest["label"].to_numpy()
    device = next(model.parameters()).device
    batches = Batches(decoded(data, config.side), labels, rows, EVALUATION_BATCH, device=device)
    logits = training.predict(model, batches.ordered())
    table = data.manifest.iloc[rows][["path", "group", "label"]].reset_index(drop=True)
    return table.assign(logit=logits, probability=1 / (1 + np.exp(-logits)))


def judged(model: nn.Module, config: ClassifierConfig, data: Dataset) -> pd.DataFrame:
    """Return the predictions for the images that a run is validated on and for the test images, with their split."""
    own = parts(config, data)
    rows = np.sort(np.append(own.validation, np.flatnonzero(own.sides == "test")))
    table = predictions(model, config, data, rows)
    table.insert(2, "split", own.sides.iloc[rows].to_numpy())
    return table
