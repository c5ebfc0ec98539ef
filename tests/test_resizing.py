"""Images grow from the initial scale to the full side, and every network takes them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fmlib.config import ClassifierConfig, DataConfig
from fmlib.data.batches import Batches, to_bytes
from fmlib.data.pasting import Masks
from fmlib.errors import UsageError
from fmlib.inputs import batches
from fmlib.models import BUILDERS, build
from fmlib.resizing import Growth


def test_images_are_small_for_half_of_the_epochs_then_grow_and_are_whole_for_the_last_fifth():
    sides = [Growth(0.5, 20).side(224, epoch) for epoch in range(1, 21)]
    assert sides[:10] == [112] * 10 and sides[-4:] == [224] * 4
    assert sides[10:16] == sorted(set(sides[10:16])) and sides[10] > 112 and sides[15] < 224


@pytest.mark.parametrize(("full", "epochs"), [(100, 1), (100, 2), (50, 3), (32, 7), (16, 7), (97, 30)])
def test_the_last_epoch_is_in_full_size_and_none_is_smaller_than_networks_can_take(full, epochs):
    sides = [Growth(0.5, epochs).side(full, epoch) for epoch in range(1, epochs + 1)]
    assert sides[-1] == max(sides) == full and min(sides) >= min(full, 32)
    assert {Growth(1, epochs).side(full, epoch) for epoch in range(1, epochs + 1)} == {full}


def test_smaller_images_are_the_mean_of_what_they_show():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    small, floats = to_bytes(images, side=32), to_bytes(images).float()
    assert small.shape == (3, 3, 32, 32) and small.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(to_bytes(images, side=64), to_bytes(images))
    expected = F.interpolate(floats, (32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(small.float(), expected, atol=1, rtol=0)
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255  # of one pixel each
    assert to_bytes(stripes, side=32)[..., 1:-1].sub(127).abs().le(1).all()


@pytest.mark.parametrize("augmentation", ["none", "classic", "strong", "elsewhere"])
def test_batches_grow_whatever_is_done_to_their_images(augmentation):
    images = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), np.uint8)
    masks = Masks(images[:4], images[:4, :, :, 0])
    for more in ({}, {"masks": masks}):
        drawn = Batches(
            images,
            np.arange(12) % 2,
            np.arange(12),
            6,
            augmentation=augmentation,
            growth=Growth(0.5, 3),
            **more,
        )
        sides = [[batch.shape[2:] for batch, _ in drawn.epoch(number)] for number in (1, 2, 3)]
        assert sides == [[(32, 32)] * 2, [(32, 32)] * 2, [(64, 64)] * 2]
        assert next(drawn.ordered())[0].shape[2:] == (64, 64)  # images that are judged are whole


def test_a_run_asks_for_growing_images(home):
    config = ClassifierConfig(
        data=DataConfig(images=30), side=64, epochs=4, batch_size=8, patience=None, initial_scale=0.5
    )
    train, validation = batches(config)
    assert [next(train.epoch(number))[0].shape[2] for number in (1, 2, 3, 4)] == [32, 32, 48, 64]
    assert next(validation.ordered())[0].shape[2] == 64


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("full", [32, 48, 64, 96, 112, 128, 144, 224])
def test_every_network_learns_from_its_smallest_images(name, full):
    with torch.device("meta"):
        network = build(name, None, full).train()
        side = Growth(0.5, 20).side(full, 1)
        logits = network(torch.rand(2, 3, side, side))
    assert logits.shape == (2, 2)


@pytest.mark.parametrize("value", [0, 0.4, 1.5, float("nan"), "half", True, None])
def test_a_scale_that_means_nothing_is_refused(value):
    with pytest.raises(UsageError, match="initial_scale must be a number from"):
        ClassifierConfig(initial_scale=value)


def test_growing_images_are_trained_on_to_the_end():
    with pytest.raises(UsageError, match="patience=None"):
        ClassifierConfig(initial_scale=0.5)
    assert ClassifierConfig(initial_scale=1).initial_scale == 1
