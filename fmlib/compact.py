"""A small residual network for small images: what this task needs, at a fraction of the cost of the known ones.

Its first layer takes patches of 4 by 4 pixels, as those of Dosovitskiy et al. 2021 and Liu et al. 2022 do, where the
residual networks of He et al. 2016 convolve and pool. Each of four stages is one block of two convolutions, whose
shortcut averages where it has to become smaller (He, T., et al. 2019). The last maps are averaged; or averaged, and
their highest values taken beside that, as the heads of Howard and Gugger 2020 do: the mean alone nearly loses what
only a small part of a picture shows.
"""

import torch
from torch import nn

PATCH = 4  # px
WIDTHS = (32, 64, 128, 256)  # channels of the stages


class Block(nn.Module):
    """Two convolutions with batch norm, and a shortcut; N C H W to N `width` H/stride W/stride."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        # an average pool leaves the last row and column of an odd side out, a strided convolution does not
        smaller = nn.AvgPool2d(2, ceil_mode=True) if stride > 1 else nn.Identity()
        wider = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
        self.shortcut = nn.Identity() if channels == width else nn.Sequential(smaller, *wider)
        self.activation = nn.ReLU()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.activation(self.convolutions(maps) + self.shortcut(maps))


class MeanAndMaximum(nn.Module):
    """The mean of every map and, after those, its highest value; N C H W to N 2C."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)


class Compact(nn.Sequential):
    """The network: normalised images N 3 H W, 32 px at least, to N `classes` logits; 1.2 million parameters.

    With `maximum` the last layer sees the highest value of every map beside its mean.
    """

    def __init__(self, classes: int, maximum: bool = False):
        patches = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], PATCH, PATCH, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()
        )
        entering = (WIDTHS[0], *WIDTHS)
        stages = [
            Block(channels, width, 1 if channels == width else 2)
            for channels, width in zip(entering, WIDTHS, strict=False)
        ]
        features = nn.Sequential(patches, *stages)
        pooling = MeanAndMaximum() if maximum else nn.AdaptiveAvgPool2d(1)
        pooled = WIDTHS[-1] * (2 if maximum else 1)
        super().__init__(features, pooling, nn.Flatten(), nn.Linear(pooled, classes))
