"""Better autoencoders than the specified ones, small enough for a CPU, and the builder of all.

Images are floats N 3 side side in [0, 1].
"""

from collections.abc import Callable

import torch
from torch import nn

from fmlib.autoencoders import DAE, DAE_CHANNELS, VAE, PlainVAE, check_side
from fmlib.config import CLASSES
from fmlib.errors import UsageError, known

UNET_CHANNELS = (16, 32, 64)
SPATIAL_CHANNELS = (32, 64, 128)
DEPTH, LATENT = 8, 128  # dimensions of a cell of the spatial VAE's code; of the plain VAE's code


def _block(convolution: nn.Module) -> nn.Sequential:
    """A convolution with batch norm and LeakyReLU."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.LeakyReLU())


def _down(before: int, after: int) -> nn.Sequential:
    return _block(nn.Conv2d(before, after, 3, stride=2, padding=1))


def _up(before: int, after: int) -> nn.Sequential:
    return _block(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1))


def _same(before: int, after: int) -> nn.Sequential:
    return _block(nn.Conv2d(before, after, 3, padding=1))


class UnmaskingDAE(DAE):
    """The specified DAE with one more map: it restores what lies under masks and says where they were laid over.

    As in blind inpainting (Wang et al. 2020), where a network has to find what spoils an image, too.
    """

    def __init__(self, side: int):
        super().__init__(side)
        self.decoder[-2] = nn.ConvTranspose2d(DAE_CHANNELS[0], 4, 3, stride=2, padding=1, output_padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the restored images and how far each pixel was covered, N 4 side side in [0, 1]."""
        return super().forward(images)


class UNet(nn.Module):
    """Denoiser with skip connections (Ronneberger et al. 2015) that predicts the noise (Zhang et al. 2017).

    The specified DAE squeezes an image through 4 x 4 cells; here detail goes past the bottleneck. It is not told
    how strong the noise is.
    """

    def __init__(self, side: int):
        super().__init__()
        check_side("U-Net", side, 4)
        fine, middle, coarse = UNET_CHANNELS
        self.entry = _same(3, fine)
        self.first = nn.Sequential(_down(fine, middle), _same(middle, middle))
        self.second = nn.Sequential(_down(middle, coarse), _same(coarse, coarse))
        self.rise, self.join = _up(coarse, middle), _same(2 * middle, middle)
        self.last_rise, self.last_join = _up(middle, fine), _same(2 * fine, fine)
        self.noise = nn.Conv2d(fine, 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the restored images, N 3 side side in [0, 1]."""
        fine = self.entry(images)  # N 16 side side
        middle = self.first(fine)  # N 32 side/2 side/2
        coarse = self.second(middle)  # N 64 side/4 side/4
        middle = self.join(torch.cat([self.rise(coarse), middle], 1))
        fine = self.last_join(torch.cat([self.last_rise(middle), fine], 1))
        restored = images - self.noise(fine)
        return restored if self.training else restored.clamp(0, 1)  # a clamp passes no gradient


class SpatialVAE(VAE):
    """Conditional VAE (Sohn et al. 2015) whose code is a small map: what is where stays where it is.

    Args:
        side: image side in px, a multiple of 8.
        latent: dimensions of the code, a multiple of its (side / 8)^2 cells.
    """

    def __init__(self, side: int, latent: int):
        super().__init__()
        check_side("spatial VAE", side, 8)
        self.latent, self.cells = latent, side // 8
        if latent % self.cells**2:
            raise UsageError(
                f"latent is {latent}; the spatial VAE needs a multiple of its {self.cells**2} cells"
            )
        depth, (fine, middle, coarse) = latent // self.cells**2, SPATIAL_CHANNELS
        self.encoder = nn.Sequential(_down(3, fine), _down(fine, middle), _down(middle, coarse))
        self.seen, self.wanted = (nn.Embedding(len(CLASSES), coarse) for _ in range(2))
        self.to_code = nn.Sequential(nn.LeakyReLU(), nn.Conv2d(coarse, 2 * depth, 3, padding=1))
        self.from_code = nn.Conv2d(depth, coarse, 3, padding=1)
        self.decoder = nn.Sequential(
            *(nn.BatchNorm2d(coarse), nn.LeakyReLU(), _same(coarse, coarse), _up(coarse, middle)),
            *(_up(middle, fine), nn.Conv2d(fine, 12, 3, padding=1), nn.PixelShuffle(2)),
        )

    def encode(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.encoder(images) + self.seen(labels)[:, :, None, None]  # N 128 cells cells
        mean, log_variance = self.to_code(features).chunk(2, 1)
        return mean.flatten(1), log_variance.flatten(1).clamp(-12, 12)

    def decode_logits(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        maps = codes.view(len(codes), -1, self.cells, self.cells)
        return self.decoder(self.from_code(maps) + self.wanted(labels)[:, :, None, None])


class VAEPerClass(VAE):
    """The specified VAE, once for each class: what is drawn from the prior of one is of its class.

    In training an image that is alone of its class in a batch is shown twice, as batch norm needs two values.
    """

    def __init__(self, side: int, latent: int):
        super().__init__()
        self.latent = latent
        self.of_class = nn.ModuleList(PlainVAE(side, latent) for _ in CLASSES)

    def encode(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._each(lambda vae, part: torch.cat(vae.encode(part), 1), images, labels).chunk(2, 1)

    def decode_logits(self, codes: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        return self._each(lambda vae, part: vae.decode_logits(part), codes, labels)

    def _each(
        self,
        work: Callable[[PlainVAE, torch.Tensor], torch.Tensor],
        values: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """Have each class's network work on what is of its class (N ...); the results in the given order."""
        rows = [torch.nonzero(labels == label).flatten() for label in range(len(self.of_class))]
        found = []
        for vae, own in zip(self.of_class, rows, strict=True):
            if len(own):
                shown = own.repeat(2) if self.training and len(own) == 1 else own
                found.append(work(vae, values[shown])[: len(own)])
        return torch.cat(found)[torch.cat(rows).argsort()]


BUILDERS = {
    "dae": lambda side, latent: DAE(side),
    "unmasking": lambda side, latent: UnmaskingDAE(side),
    # the same network, which is not asked what lies under a mask
    "mask-finder": lambda side, latent: UnmaskingDAE(side),
    "unet": lambda side, latent: UNet(side),
    "vae": PlainVAE,
    "vae-per-class": VAEPerClass,
    "cvae": SpatialVAE,
}


def latent(name: str, side: int) -> int:
    """Return the number of latent dimensions that the studies give a VAE for images of `side` px."""
    return DEPTH * (side // 8) ** 2 if name == "cvae" else LATENT


def build(name: str, side: int, latent: int) -> nn.Module:
    """Build an autoencoder of `BUILDERS` for square images of `side` px; `latent`: a VAE's number of dimensions."""
    return BUILDERS[known("autoencoder", name, BUILDERS)](side, latent)
