"""What a training minimises: the loss of a classifier, and the choice between it and those of autoencoders."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fmlib import autoencoder_losses, inputs
from fmlib.autoencoder_losses import Losses, Objective
from fmlib.config import ClassifierConfig, RunConfig
from fmlib.data.batches import Batches


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


def objective_of(config: RunConfig, train: Batches) -> Objective:
    """Return the loss that a run of this configuration minimises on these training images."""
    if isinstance(config, ClassifierConfig):
        return classification(class_weights(train.class_shares()))
    return autoencoder_losses.objective(config, inputs.masks(config) if config.pasted else None)
