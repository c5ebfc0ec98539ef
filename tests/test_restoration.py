"""Restoration is measured as textbooks and scikit-image do."""

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from fmlib import restoration
from fmlib.damage import FILTERS, LEVELS, damaged, estimated_noise
from fmlib.data.batches import to_float
from fmlib.errors import UsageError


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
    judge = restoration.Judge(Bright(), Bright(), labels, np.arange(20))
    table = restoration.robustness(judge, {"dae": Nothing()}, images.astype(np.uint8), seed=0)
    assert {(row.damage, row.level) for row in table.itertuples()} == {
        (damage, level) for damage, levels in LEVELS.items() for level in levels
    }
    assert set(table.front_end) == {restoration.NOTHING, "dae", *FILTERS, restoration.TRAINED}
    plain, *others = (
        table[table.front_end == name].reset_index(drop=True).drop(columns="front_end")
        for name in (restoration.NOTHING, "dae", restoration.TRAINED)
    )
    for other in others:
        pd.testing.assert_frame_equal(plain, other)
    noise = plain[plain.damage == "noise"]
    assert noise.accuracy.iloc[0] == 1 and noise.psnr.is_monotonic_decreasing
    assert "no difference we can tell" in restoration.verdict(table)


class Sign(nn.Module):
    """Calls an image masked if the product of its brightness and a factor is high."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, images):
        return Bright()(images) * self.factor


def test_what_comes_back_is_a_share_of_what_was_lost():
    labels = np.arange(40) % 2
    clean, plain = np.ones(40, bool), np.arange(40) < 20
    half = np.arange(40) < 30
    score = restoration._score(half, plain, clean, np.arange(40))
    assert score["gain"] == 0.25 and 0.1 < score["gain_low"] < 0.25 < score["gain_high"] < 0.45
    assert score["restored"] == 0.5 and score["restored_low"] < 0.5 < score["restored_high"]
    assert np.isnan(restoration._score(clean, clean, clean, np.arange(40))["restored"])
    judge = restoration.Judge(Sign(1), Sign(-1), labels, np.arange(40))
    images = to_float(
        (np.where(labels == 1, 200, 50)[:, None, None, None] * np.ones((40, 8, 8, 3))).astype(np.uint8)
    )
    assert judge.hits(images).all() and not judge.hits(images, hardened=True).any()


def test_copies_of_an_origin_count_once():
    clean, plain, half = np.ones(40, bool), np.arange(40) < 20, np.arange(40) < 30
    alone = restoration._score(half, plain, clean, np.arange(40))
    copies = restoration._score(*(np.repeat(each, 3) for each in (half, plain, clean, np.arange(40))))
    assert copies.pop("n") == 3 * alone.pop("n")
    assert copies == pytest.approx(alone)


def test_damage_is_what_it_says():
    images = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    assert torch.equal(damaged(images, "noise", 0.0, 0), to_float(images))
    sharpness = [damaged(images, "blur", level, 0).diff(dim=-1).abs().mean() for level in (0.5, 1.0, 2.0)]
    assert sharpness == sorted(sharpness, reverse=True)
    errors = [restoration.psnr(damaged(images, "jpeg", q, 0), to_float(images)).mean() for q in (5, 20, 95)]
    assert errors == sorted(errors)
    with pytest.raises(UsageError, match="noise, blur, jpeg"):
        damaged(images, "rain", 1, 0)


def test_filters_take_noise_away_and_leave_flat_images_alone():
    flat = torch.full((2, 3, 32, 32), 0.5)
    torch.manual_seed(0)
    grainy = (flat + 0.1 * torch.randn(flat.shape)).clamp(0, 1)
    assert estimated_noise(grainy[0].numpy()) == pytest.approx(0.1, rel=0.1)
    for restore in FILTERS.values():
        torch.testing.assert_close(restore(flat), flat)
        assert restoration.psnr(restore(grainy), flat).min() > restoration.psnr(grainy, flat).max() + 5


def test_the_verdict_says_what_the_intervals_say():
    rows = [(0.0, "nothing", 0.9, 0.0, 0.0, 0.0), (0.0, "dae", 0.8, -0.1, -0.12, -0.08)]
    rows += [(0.3, "nothing", 0.5, 0.0, 0.0, 0.0), (0.3, "dae", 0.7, 0.2, 0.18, 0.22)]
    rows += [(0.5, "nothing", 0.5, 0.0, 0.0, 0.0), (0.5, "dae", 0.52, 0.02, -0.01, 0.05)]
    table = pd.DataFrame(rows, columns=["level", "front_end", "accuracy", "gain", "gain_low", "gain_high"])
    table = table.assign(damage="noise", restored=0.5, restored_low=0.4, restored_high=0.6)
    assert "hurts" in restoration.verdict(table, 0.0)
    assert "helps and brings back 50% [40%, 60%] of what was lost" in restoration.verdict(table, 0.3)
    assert "no difference we can tell" in restoration.verdict(table, 0.5)
    wide = table.assign(restored_high=2.0)
    assert restoration.verdict(wide, 0.3).endswith("0.700 with DAE (+0.200 [+0.180, +0.220]): it helps.")
