"""What denoisers and variational autoencoders minimise. Classifiers do not depend on this module's content."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from fmlib.autoencoders import VAE, add_noise, bernoulli_loss, gaussian_kl
from fmlib.config import AutoencoderConfig

Losses = dict[str, torch.Tensor]  # "loss" is what is minimised; all are means over the batch
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Losses]


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


def objective(config: AutoencoderConfig) -> Objective:
    """Return the loss that an autoencoder of this configuration minimises."""
    return denoising(config.noise) if config.model == "dae" else negative_elbo
