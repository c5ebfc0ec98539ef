"""Restoration is measured as textbooks and scikit-image do."""

import numpy as np
import pandas as pd
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from fmlib import restoration


def test_psnr_and_ssim_agree_with_scikit_image():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.rand(3, 3, 16, 16, generator=rng), torch.rand(3, 3, 16, 16, generator=rng)
    expected = [
        peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=1) for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(restoration.psnr(a, b), expected, rtol=1e-5)
    expected = [
        structural_similarity(x.numpy(), y.numpy(), channel_axis=0, data_range=1)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(restoration.ssim(a, b), expected)


class Bright(nn.Module):
    """Calls an image masked if it is bright."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        mean = self.scale * images.mean((1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], 1)


class Nothing(nn.Module):
    """A restoration that changes nothing."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images * self.weight


def test_a_front_end_that_does_nothing_changes_nothing():
    labels = np.arange(20) % 2
    images = np.where(labels[:, None, None, None] == 1, 200, 50) * np.ones((20, 8, 8, 3))
    table = restoration.robustness(Bright(), Nothing(), images.astype(np.uint8), labels, seed=0)
    assert list(table.sigma.unique()) == list(restoration.NOISES)
    none, dae = (table[table.front_end == name].reset_index(drop=True) for name in ("none", "dae"))
    pd.testing.assert_frame_equal(none.drop(columns="front_end"), dae.drop(columns="front_end"))
    assert none.accuracy.iloc[0] == 1 and none.psnr.is_monotonic_decreasing
    assert "no difference we can tell" in restoration.verdict(table)


def test_the_verdict_says_what_the_intervals_say():
    rows = [(0.0, "none", 0.9, 0.88, 0.92), (0.0, "dae", 0.8, 0.78, 0.82)]
    rows += [(0.3, "none", 0.5, 0.48, 0.52), (0.3, "dae", 0.7, 0.68, 0.72)]
    table = pd.DataFrame(rows, columns=["sigma", "front_end", "accuracy", "low", "high"])
    assert "hurts" in restoration.verdict(table, 0.0)
    assert "helps, 50% of what the noise took" in restoration.verdict(table, 0.3)
