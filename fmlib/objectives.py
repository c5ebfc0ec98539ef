"""What a training minimises: the losses of classifiers, denoisers and variational autoencoders."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fmlib.autoencoders import VAE, add_noise, bernoulli_loss, gaussian_kl
from fmlib.config import AutoencoderConfig, ClassifierConfig, RunConfig
from fmlib.data.batches import Batches

Losses = dict[str, torch.Tensor]  # "loss" is what is minimised; all are means over the batch
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Losses]


def class_weights(shares: np.ndarray) -> torch.Tensor:
    """Weights of the classes, float32 2, that make both count alike and average to 1, of their shares (2)."""
    return torch.from_numpy(1 / (2 * shares)).float()


def classification(weights: torch.Tensor) -> Objective:
    """Cross-entropy, each image weighed by its class, and accuracy."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Losses:
        logits = model(images).float()
        weight = weights.to(labels.device)[labels]
        loss = (weight * F.cross_entropy(logits, labels, reduction="none")).mean()
        return {"loss": loss, "accuracy": (logits.argmax(1) == labels).float().mean()}

    return objective


def denoising(noise: float) -> Objective:
    """Mean squared error between the restored noisy image and the clean one; sigma uniform up to `noise`."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Losses:
        sigma = noise * torch.rand(len(images), 1, 1, 1, device=images.device)
        return {"loss": F.mse_loss(model(add_noise(images, sigma)).float(), images)}

    return objective


def negative_elbo(model: VAE, images: torch.Tensor, labels: torch.Tensor) -> Losses:
    """Reconstruction loss plus KL in nats per image (Kingma & Welling 2014), one sample of z."""
    mean, log_variance = (part.float() for part in model.encode(images))
    codes = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    reconstruction = bernoulli_loss(model.decode_logits(codes).float(), images).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def objective_of(config: RunConfig, train: Batches) -> Objective:
    """Return the loss that a run of this configuration minimises on these training images."""
    if isinstance(config, ClassifierConfig):
        return classification(class_weights(train.class_shares()))
    assert isinstance(config, AutoencoderConfig)
    return denoising(config.noise) if config.model == "dae" else negative_elbo
