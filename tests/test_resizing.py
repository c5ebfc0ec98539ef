"""Images grow from the initial scale to the full side, and every network takes them."""

import numpy as np
import pytest
import torch

from fmlib.config import ARCHITECTURES, ClassifierConfig, DataConfig
from fmlib.data.batches import Batches, to_bytes, to_float
from fmlib.data.pasting import Masks
from fmlib.errors import UsageError
from fmlib.inputs import batches
from fmlib.models import build
from fmlib.pixels import as_float
from fmlib.resizing import Growth


def test_images_are_small_for_half_of_the_epochs_then_grow_and_are_whole_for_the_last_fifth():
    sides = [Growth(0.5, 20).side(224, epoch) for epoch in range(1, 21)]
    assert sides[:10] == [112] * 10 and sides[-4:] == [224] * 4
    assert sides[10:16] == sorted(set(sides[10:16])) and sides[10] > 112 and sides[15] < 224


@pytest.mark.parametrize(("full", "epochs"), [(100, 1), (100, 2), (50, 3), (32, 7), (16, 7), (97, 30)])
def test_the_last_epoch_is_in_full_size_and_none_is_smaller_than_networks_can_take(full, epochs):
    sides = [Growth(0.3, epochs).side(full, epoch) for epoch in range(1, epochs + 1)]
    assert sides[-1] == max(sides) == full and min(sides) >= min(full, 32)
    assert {Growth(1, epochs).side(full, epoch) for epoch in range(1, epochs + 1)} == {full}


def test_smaller_images_are_the_mean_of_what_they_show():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    small = to_bytes(images, side=32)
    assert small.shape == (3, 3, 32, 32) and small.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(as_float(to_bytes(images, side=64)), to_float(images))
    smooth = np.repeat(np.repeat(images[:, ::32, ::32], 32, 1), 32, 2)  # four squares of one colour each
    quarters = as_float(to_bytes(smooth, side=32))[:, :, 4::24, 4::24]
    torch.testing.assert_close(quarters, to_float(smooth)[:, :, ::32, ::32], atol=0.003, rtol=0)


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
    config = ClassifierConfig(data=DataConfig(images=30), side=64, epochs=4, batch_size=8, initial_scale=0.5)
    train, validation = batches(config)
    assert [next(train.epoch(number))[0].shape[2] for number in (1, 2, 3, 4)] == [32, 32, 48, 64]
    assert next(validation.ordered())[0].shape[2] == 64


@pytest.mark.parametrize("name", [*ARCHITECTURES, "compact"])
@pytest.mark.parametrize("full", [64, 224])
def test_every_network_learns_from_smaller_images(name, full):
    network = build(name, None, full).train()
    logits = network(torch.rand(2, 3, full // 2, full // 2))
    logits.sum().backward()
    assert logits.shape == (2, 2) and all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("value", [0, 0.05, 1.5, float("nan"), "half", True, None])
def test_a_scale_that_means_nothing_is_refused(value):
    with pytest.raises(UsageError, match="initial_scale must be a number from"):
        ClassifierConfig(initial_scale=value)
