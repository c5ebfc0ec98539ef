"""Pasted masks cover where they should, change the label with the face, and leave everything else alone."""

import numpy as np
import torch

from fmlib.data import pasting
from fmlib.data.batches import Batches, Mixture
from fmlib.data.decoding import decoded
from fmlib.data.pasting import SHARE, Masks, masks, pasted


def covering(count=5, side=32):
    """Red masks over the lower half."""
    images = np.zeros((count, side, side, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    cover = np.zeros((count, side, side), np.uint8)
    cover[:, side // 2 :] = 255
    return Masks(images, cover)


def paste(labels, seed=0):
    images = torch.full((len(labels), 3, 32, 32), 0.5)
    return images, *pasted(images, torch.tensor(labels), covering(), torch.Generator().manual_seed(seed))


def test_a_share_of_the_bare_faces_gets_a_mask_and_its_label_and_no_other_face_changes():
    labels = [0, 1] * 500
    before, images, after = paste(labels)
    changed = (images != before).flatten(1).any(1)
    assert torch.equal(changed, after != torch.tensor(labels))
    assert not changed[1::2].any() and abs(changed[::2].float().mean() - SHARE) < 0.05
    assert before.eq(0.5).all()  # the given images stay
    assert torch.equal(images, paste(labels)[1]) and not torch.equal(images, paste(labels, 1)[1])


def test_a_mask_lies_over_the_lower_half_whatever_its_placing():
    _, images, after = paste([0] * 400)
    masked = images[after == 1]
    red = (masked[:, 0] > 0.9) & (masked[:, 1] < 0.1)
    assert red[:, 24, 12:20].all() and not red[:, :10].any()
    assert len({image.numpy().tobytes() for image in masked}) > len(masked) * 0.9


def test_chosen_images_are_covered_and_no_other():
    images, chosen = torch.full((6, 3, 32, 32), 0.5), torch.tensor([1, 4])
    torch.manual_seed(0)
    found, cover = pasting.covered(images, chosen, covering())
    torch.testing.assert_close(cover[chosen, 0, 28, 12:20], torch.ones(2, 8))
    assert not cover[[0, 2, 3, 5]].any() and cover.shape == (6, 1, 32, 32)
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    expected = torch.lerp(images, red.expand_as(images), cover)
    # a mask's colour ends at the frame's edge
    torch.testing.assert_close(found[..., 4:28], expected[..., 4:28])
    assert (found != images).flatten(1).any(1).nonzero()[:, 0].tolist() == [1, 4] and images.eq(0.5).all()
    torch.manual_seed(1)
    assert not torch.equal(found, pasting.covered(images, chosen, covering())[0])


def test_masks_are_those_of_proper_wear_seen_from_the_front(tiny):
    found = masks(tiny, decoded(tiny, 32))
    table = tiny.manifest
    fit = (table.wear == "proper") & (table.yaw.abs() <= pasting.TURN)
    assert len(found.images) == fit.sum() > 5 and found.cover.shape == found.images.shape[:3]
    assert found.cover.dtype == np.uint8 and (found.cover.max((1, 2)) > 200).all()
    assert found.cover[:, 18:].sum() > 5 * found.cover[:, :14].sum()


def test_nothing_to_paste_over_is_no_trouble():
    before, images, after = paste([1, 1, 1])
    assert torch.equal(images, before) and after.eq(1).all()


def test_batches_are_made_on_their_device_with_everything_that_may_be_in_them():
    """The device without data fails where a tensor of the CPU meets its own."""
    images, labels = np.zeros((40, 32, 32, 3), np.uint8), np.arange(40) % 2
    more = {"mixture": Mixture(images, labels), "masks": covering(), "device": torch.device("meta")}
    for name in ("strong", "elsewhere"):
        batches = Batches(images, labels, np.arange(40), 20, augmentation=name, **more)
        for drawn, kinds in [*batches.epoch(1), *batches.ordered()]:
            assert drawn.device.type == "meta" and drawn.shape == (20, 3, 32, 32)
            assert kinds.device.type == "cpu" and len(kinds) == 20
