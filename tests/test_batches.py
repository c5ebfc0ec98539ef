"""Batches cover every image once per epoch."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fmlib.data.batches import Batches, Mixture, to_float
from fmlib.data.pasting import Masks


def test_to_float_is_between_zero_and_one_and_channels_last():
    images = np.array([0, 128, 255], np.uint8).reshape(1, 1, 1, 3).repeat(4, 1)
    batch = to_float(images)
    assert batch.shape == (1, 3, 4, 1)
    torch.testing.assert_close(batch[0, :, 0, 0], torch.tensor([0, 128 / 255, 1]))


def numbered(count):
    images = np.zeros((count, 2, 2, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return images, np.arange(count) % 2


def values(batches):
    return [round(float(image[0, 0, 0]) * 255) for images, _ in batches for image in images]


def test_an_epoch_holds_every_row_once_and_depends_on_seed_and_number_alone():
    images, labels = numbered(50)
    batches = Batches(images, labels, np.arange(5, 45), 16, seed=1)
    assert sorted(values(batches.epoch(1))) == list(range(5, 45))
    assert values(batches.epoch(1)) == values(Batches(images, labels, np.arange(5, 45), 16, seed=1).epoch(1))
    assert values(batches.epoch(1)) != values(batches.epoch(2))
    assert [len(labels) for _, labels in batches.epoch(1)] == [14, 13, 13] and len(batches) == 3
    assert values(batches.ordered()) == list(range(5, 45))


def test_labels_stay_with_their_images():
    images, labels = numbered(30)
    for batch, given in Batches(images, labels, np.arange(30), 8).epoch(1):
        np.testing.assert_array_equal((batch[:, 0, 0, 0] * 255).round().long() % 2, given)


def test_an_epoch_of_several_passes_holds_every_row_as_often():
    images, labels = numbered(10)
    batches = Batches(images, labels, np.arange(10), 8, passes=4)
    assert sorted(values(batches.epoch(1))) == sorted(4 * list(range(10)))
    assert [len(labels) for _, labels in batches.epoch(1)] == [8] * len(batches) == [8] * 5
    assert values(batches.ordered()) == list(range(10))


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_mixture_takes_its_share_of_every_batch_and_no_more_steps(share):
    images, labels = numbered(40)
    pool = Mixture(np.full((10, 2, 2, 3), 200, np.uint8), np.ones(10, int), share)
    plain = Batches(images, labels, np.arange(40), 10)
    mixed = Batches(images, labels, np.arange(40), 10, mixture=pool)
    assert len(mixed) == len(plain)
    for batch, given in mixed.epoch(1):
        foreign = (batch[:, 0, 0, 0] * 255).round().eq(200)
        assert int(foreign.sum()) == 10 * share and len(batch) == 10 and given[foreign].eq(1).all()


def test_a_mixture_ends_after_its_epochs():
    images, labels = numbered(40)
    pool = Mixture(np.full((10, 2, 2, 3), 200, np.uint8), np.ones(10, int), epochs=2)
    mixed = Batches(images, labels, np.arange(40), 10, mixture=pool)
    assert [values(mixed.epoch(number)).count(200) for number in (1, 2, 3)] == [20, 20, 0]
    assert sorted(values(mixed.epoch(3))) == list(range(40))


def test_class_shares_are_those_of_the_images_that_an_epoch_shows():
    images, labels = np.zeros((3000, 2, 2, 3), np.uint8), (np.arange(3000) % 3 == 0).astype(int)
    extra = Mixture(np.zeros((10, 2, 2, 3), np.uint8), np.ones(10, int), 0.25)
    masks = Masks(np.zeros((4, 2, 2, 3), np.uint8), np.zeros((4, 2, 2), np.uint8))
    for settings in ({}, {"mixture": extra}, {"masks": masks}, {"mixture": extra, "masks": masks}):
        batches = Batches(images, labels, np.arange(3000), 500, **settings)
        shown = torch.cat([given for _, given in batches.epoch(1)])
        assert shown.float().mean().item() == pytest.approx(batches.class_shares()[1], abs=0.02)
        assert batches.class_shares().sum() == pytest.approx(1)


def anonymous_memory() -> int:
    """Bytes of this process that are backed by no file."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell a process's memory"
)
def test_a_cache_of_a_million_images_is_never_held_in_memory(tmp_path):
    shape = (10**6, 64, 64, 3)  # 12 GB, as a file without content
    images = np.lib.format.open_memmap(tmp_path / "sparse.npy", "w+", np.uint8, shape)
    before = anonymous_memory()
    epoch = Batches(images, np.zeros(shape[0], int), np.arange(shape[0]), 64).epoch(1)
    read = sum(len(batch) for batch, _ in itertools.islice(epoch, 150))
    assert read >= 150 * 63 and anonymous_memory() - before < 200 * 2**20
