"""The denoising and the variational autoencoder as the original report specifies them, and their losses.

The specification names layers, kernels and strides but no channel widths; these are ours.
Images are floats N 3 side side in [0, 1].
"""

import torch
from torch import nn
from torch.nn import functional as F

from fmlib.errors import UsageError

DAE_CHANNELS = (32, 64, 128, 256)
VAE_CHANNELS = (32, 64, 128, 256, 512)


def check_side(name: str, side: int, divisor: int) -> None:
    """Raise UsageError where halving the side until `divisor` is used up would leave a remainder."""
    if side < divisor or side % divisor:
        raise UsageError(
            f"side is {side} px; the {name} halves it until {divisor} is used up: use a multiple of it"
        )


class DAE(nn.Module):
    """Denoising autoencoder: 4 convolutions with ReLU and max pooling, 4 transposed convolutions (MSE, Adam)."""

    def __init__(self, side: int):
        super().__init__()
        check_side("DAE", side, 16)
        encoder, decoder, width = [], [], 3
        for channels in DAE_CHANNELS:
            encoder += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            width = channels
        for channels in (*DAE_CHANNELS[-2::-1], 3):
            up = nn.ConvTranspose2d(width, channels, 3, stride=2, padding=1, output_padding=1)
            decoder += [up, nn.ReLU()]
            width = channels
        self.width = DAE_CHANNELS[-1]  # channels of what the encoder returns
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder[:-1], nn.Sigmoid())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the restored images, N 3 side side in [0, 1]."""
        return self.decoder(self.encoder(images))


class VAE(nn.Module):
    """What variational autoencoders (Kingma & Welling 2014) have in common; codes are N latent.

    The plain one takes no notice of labels, a conditional one needs them: 0 or 1, N.
    """

    latent: int  # dimensions of the latent space

    def encode(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log variance of q(z | image), each N latent."""
        raise NotImplementedError

    def decode_logits(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the pixels' logits, N 3 side side, of latent codes N latent."""
        raise NotImplementedError

    def decode(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return images N 3 side side in [0, 1] of latent codes N latent."""
        return self.decode_logits(codes, labels).sigmoid()

    def forward(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the reconstruction from the posterior mean, N 3 side side in [0, 1]."""
        return self.decode(self.encode(images, labels)[0], labels)


class PlainVAE(VAE):
    """The specified one: 5 strided convolutions each way, LeakyReLU and batch norm.

    Args:
        side: image side in px, a multiple of 32.
        latent: dimensions of the latent space.
    """

    def __init__(self, side: int, latent: int):
        super().__init__()
        check_side("VAE", side, 32)
        self.latent, self.cells = latent, side // 32
        encoder, decoder, width = [], [], 3
        for channels in VAE_CHANNELS:
            encoder += self._block(nn.Conv2d(width, channels, 3, stride=2, padding=1), channels)
            width = channels
        for channels in VAE_CHANNELS[-2::-1]:
            up = nn.ConvTranspose2d(width, channels, 3, stride=2, padding=1, output_padding=1)
            decoder += self._block(up, channels)
            width = channels
        decoder += [nn.ConvTranspose2d(width, 3, 3, stride=2, padding=1, output_padding=1)]
        flat = VAE_CHANNELS[-1] * self.cells**2
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)
        self.to_mean, self.to_log_variance = nn.Linear(flat, latent), nn.Linear(flat, latent)
        self.from_latent = nn.Linear(latent, flat)

    @staticmethod
    def _block(convolution: nn.Module, channels: int) -> list[nn.Module]:
        return [convolution, nn.BatchNorm2d(channels), nn.LeakyReLU()]

    def encode(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.encoder(images).flatten(1)
        return self.to_mean(features), self.to_log_variance(features).clamp(-12, 12)

    def decode_logits(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        features = self.from_latent(codes).view(-1, VAE_CHANNELS[-1], self.cells, self.cells)
        return self.decoder(features)


def gaussian_kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats per example (Kingma & Welling 2014, appendix B); N D -> N."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def bernoulli_loss(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy in nats per example, summed over pixels; N 3 H W -> N."""
    return F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)


def gaussian_loss(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Negative log density in nats per example of a Gaussian whose one variance fits the batch best; N 3 H W -> ().

    The variance that maximises the likelihood is the mean squared error (Rybkin, Daniilidis & Levine 2021).
    """
    error = F.mse_loss(restored, images).clamp(min=1e-6)
    return 0.5 * images[0].numel() * (torch.log(2 * torch.pi * error) + 1)


def edge_loss(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """`gaussian_loss` of the differences between neighbouring pixels, across and down; N 3 H W -> ()."""
    return sum(gaussian_loss(restored.diff(dim=axis), images.diff(dim=axis)) for axis in (2, 3))


def add_noise(images: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
    """Add Gaussian noise of standard deviation `sigma` (a number, or N 1 1 1) and clip to [0, 1]."""
    return (images + sigma * torch.randn_like(images)).clamp(0, 1)
