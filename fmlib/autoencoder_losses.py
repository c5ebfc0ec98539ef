"""What denoisers and variational autoencoders minimise. Classifiers do not depend on this module's content."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from fmlib.autoencoders import VAE, add_noise, bernoulli_loss, edge_loss, gaussian_kl, gaussian_loss
from fmlib.config import AutoencoderConfig
from fmlib.data.pasting import Masks, covered

Losses = dict[str, torch.Tensor]  # "loss" is what is minimised; all are means over the batch
# of network, images, labels and the share of training that is done
Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor, float], Losses]
FREE_NATS = 0.02  # per latent dimension
COVERED = 0.5  # share of the images that an unmasking DAE gets a mask over


def denoising(noise: float) -> Objective:
    """Mean squared error between the restored noisy image and the clean one; sigma uniform up to `noise`."""

    def objective(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0
    ) -> Losses:
        return {"loss": F.mse_loss(model(_noisy(images, noise)).float(), images)}

    return objective


def _noisy(images: torch.Tensor, noise: float) -> torch.Tensor:
    return add_noise(images, noise * torch.rand(len(images), 1, 1, 1, device=images.device))


def unmasking(noise: float, masks: Masks, restore: bool = True) -> Objective:
    """Take off masks that were laid over `COVERED` of the images, and say where they were; noise as above.

    A mask that an image shows by itself is part of it: to be restored, and not to be found. The loss adds two mean
    squared errors: of the restored images (left out if not to `restore`), and of how far each pixel is covered.
    """

    def objective(
        model: nn.Module, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0
    ) -> Losses:
        chosen = torch.nonzero(torch.rand(len(images)) < COVERED)[:, 0]
        spoiled, cover = images, torch.zeros_like(images[:, :1])
        if len(chosen):
            spoiled, cover = covered(images, chosen, masks)
        said = model(_noisy(spoiled, noise)).float()
        restored, found = F.mse_loss(said[:, :3], images), F.mse_loss(said[:, 3:], cover)
        return {"loss": found + restored * restore, "restored": restored, "found": found}

    return objective


def _sampled(
    model: VAE, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean and log variance of q(z | image) and a sample of z, each N latent."""
    mean, log_variance = (part.float() for part in model.encode(images, labels))
    return mean, log_variance, mean + (0.5 * log_variance).exp() * torch.randn_like(mean)


def negative_elbo(model: VAE, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0) -> Losses:
    """Reconstruction loss plus KL in nats per image (Kingma & Welling 2014), one sample of z."""
    mean, log_variance, codes = _sampled(model, images, labels)
    reconstruction = bernoulli_loss(model.decode_logits(codes, labels).float(), images).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def sharp_elbo(beta: float = 1.0, warm_up: float = 0.0, edges: float = 0.0) -> Objective:
    """Negative ELBO with a Gaussian likelihood whose variance fits the batch, and `FREE_NATS` in every dimension.

    The KL divergence of a dimension costs nothing up to there (Kingma et al. 2016), lest it falls silent early on.

    Args:
        beta: weight of the KL divergence (Higgins et al. 2017).
        warm_up: share of training over which that weight rises from zero (Bowman et al. 2016).
        edges: weight of the likelihood of differences between neighbouring pixels.
    """

    def objective(model: VAE, images: torch.Tensor, labels: torch.Tensor, progress: float = 1.0) -> Losses:
        mean, log_variance, codes = _sampled(model, images, labels)
        restored = model.decode(codes, labels).float()
        reconstruction = gaussian_loss(restored, images)
        if edges:
            reconstruction = reconstruction + edges * edge_loss(restored, images)
        # of each dimension, the mean over the images
        kl = gaussian_kl(mean.T, log_variance.T) / len(images)
        weight = beta * min(1.0, progress / warm_up) if warm_up else beta
        loss = reconstruction + weight * kl.clamp(min=FREE_NATS).sum()
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl.sum()}

    return objective


def objective(config: AutoencoderConfig, masks: Masks | None = None) -> Objective:
    """Return the loss that an autoencoder of this configuration minimises; an unmasking DAE takes off `masks`."""
    if config.model in ("unmasking", "mask-finder"):
        return unmasking(config.noise, masks, restore=config.model == "unmasking")
    denoiser = denoising(config.noise)
    sharp = sharp_elbo(config.beta, config.warm_up, config.edges)
    objectives = {"dae": denoiser, "unet": denoiser, "cvae": sharp}
    objectives |= {"vae": negative_elbo, "vae-per-class": negative_elbo}
    return objectives[config.model]
