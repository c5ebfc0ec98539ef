"""What denoisers and variational autoencoders minimise. Classifiers do not depend on this module's content."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from fmlib.autoencoders import VAE, add_noise, bernoulli_loss, gaussian_kl, gaussian_loss
from fmlib.config import AutoencoderConfig

Losses = dict[str, torch.Tensor]  # "loss" is what is minimised; all are means over the batch
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], Losses]
FREE_NATS = 0.02  # per latent dimension


def denoising(noise: float) -> Objective:
    """Mean squared error between the restored noisy image and the clean one; sigma uniform up to `noise`."""

    def objective(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Losses:
        sigma = noise * torch.rand(len(images), 1, 1, 1, device=images.device)
        return {"loss": F.mse_loss(model(add_noise(images, sigma)).float(), images)}

    return objective


def _sampled(
    model: VAE, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean and log variance of q(z | image) and a sample of z, each N latent."""
    mean, log_variance = (part.float() for part in model.encode(images, labels))
    return mean, log_variance, mean + (0.5 * log_variance).exp() * torch.randn_like(mean)


def negative_elbo(model: VAE, images: torch.Tensor, labels: torch.Tensor) -> Losses:
    """Reconstruction loss plus KL in nats per image (Kingma & Welling 2014), one sample of z."""
    mean, log_variance, codes = _sampled(model, images, labels)
    reconstruction = bernoulli_loss(model.decode_logits(codes, labels).float(), images).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def sharp_elbo(model: VAE, images: torch.Tensor, labels: torch.Tensor) -> Losses:
    """Negative ELBO with a Gaussian likelihood whose variance fits the batch, and `FREE_NATS` in every dimension.

    The KL divergence of a dimension costs nothing up to there (Kingma et al. 2016), lest it falls silent early on.
    """
    mean, log_variance, codes = _sampled(model, images, labels)
    reconstruction = gaussian_loss(model.decode(codes, labels).float(), images)
    kl = gaussian_kl(mean.T, log_variance.T) / len(images)  # latent: the mean over images of each dimension
    return {
        "loss": reconstruction + kl.clamp(min=FREE_NATS).sum(),
        "reconstruction": reconstruction,
        "kl": kl.sum(),
    }


def objective(config: AutoencoderConfig) -> Objective:
    """Return the loss that an autoencoder of this configuration minimises."""
    denoiser = denoising(config.noise)
    objectives = {"dae": denoiser, "unet": denoiser, "cvae": sharp_elbo}
    objectives |= {"vae": negative_elbo, "vae-per-class": negative_elbo}
    return objectives[config.model]
