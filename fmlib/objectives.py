"""What a training minimises: the loss of a classifier, and the choice between it and those of autoencoders."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fmlib import autoencoder_losses, inputs
from fmlib.augmentation import RECIPES
from fmlib.autoencoder_losses import Losses, Objective
from fmlib.config import ClassifierConfig, RunConfig
from fmlib.data.batches import Batches
from fmlib.errors import UsageError, known


def class_weights(shares: np.ndarray) -> torch.Tensor:
    """Weights of the classes, float32 2, that make both count alike and average to 1, of their shares (2)."""
    return torch.from_numpy(1 / (2 * shares)).float()


def classification(weights: torch.Tensor) -> Objective:
    """Cross-entropy, each class weighed, and accuracy; labels are 0 or 1, or shares of class 1 in blended images."""

    def objective(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0
    ) -> Losses:
        logits = model(images).float()
        shares = torch.stack([1 - labels, labels], 1).float()
        loss = F.cross_entropy(logits, shares * weights.to(labels.device))
        return {"loss": loss, "accuracy": (logits.argmax(1) == labels.round()).float().mean()}

    return objective


def origins(labels: np.ndarray, groups: np.ndarray) -> torch.Tensor:
    """What is added to the logits in training so that a class of few originals in many copies is not neglected.

    Copies are soon learned by heart, and from then on neither their number nor weights on them say how much a class
    counts. Logits are adjusted (Menon et al. 2021) by the logarithm of each class's origins per image, beside weights
    by which the classes' images count alike. Both classes get the same where no image is a copy.

    Args:
        labels: 0 or 1, N; both occur.
        groups: the origin of each image, N.

    Returns:
        Offsets of the two logits, float64 2.
    """
    shares = [len(np.unique(groups[labels == label])) / (labels == label).sum() for label in (0, 1)]
    return torch.tensor(shares).log()


def adjusted(objective: Objective, offset: torch.Tensor) -> Objective:
    """Return an objective whose model has `offset` (2) added to its logits while it trains."""

    def shifted(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0
    ) -> Losses:
        if not model.training:
            return objective(model, images, labels, progress)
        return objective(
            lambda batch: model(batch).double() + offset.to(batch.device), images, labels, progress
        )

    return shifted


def _offset(config: ClassifierConfig) -> torch.Tensor:
    """Return the offset that balances a run's origins."""
    recipe = RECIPES[known("augmentation", config.augmentation, RECIPES)]
    if recipe.mixes or config.pasted or config.generated:
        raise UsageError(
            f"balance 'origins' is for images of one origin each, and augmentation {config.augmentation!r}, pasted "
            "masks or generated images mix them: leave those out, or use balance='images'"
        )
    data = inputs.dataset(config.data)
    rows = data.manifest.iloc[inputs.parts(config, data).train]
    return origins(rows["label"].to_numpy(), rows["group"].to_numpy())


def objective_of(config: RunConfig, train: Batches) -> Objective:
    """Return the loss that a run of this configuration minimises on these training images."""
    if isinstance(config, ClassifierConfig):
        plain = classification(class_weights(train.class_shares()))
        return adjusted(plain, _offset(config)) if config.balance == "origins" else plain
    return autoencoder_losses.objective(config, inputs.masks(config) if config.pasted else None)
