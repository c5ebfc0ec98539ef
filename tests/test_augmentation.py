"""Augmentation moves each image on its own, keeps its range, and is a function of its generator."""

import numpy as np
import pytest
import torch

from fmlib import pixels
from fmlib.augmentation import (
    RECIPES,
    Recipe,
    _tiles,
    affine,
    augment,
    blended,
    coarsened,
    cut,
    grainy,
    lit,
    placed,
)
from fmlib.errors import UsageError
from fmlib.pixels import as_float


def draw(name, seed=0, count=6):
    images = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return images, augment(images, name, torch.Generator().manual_seed(seed))


def test_single_images_are_augmented_whatever_is_drawn():
    for seed in range(30):
        assert draw("elsewhere", seed, count=1)[1].shape == (1, 3, 16, 16)


def test_none_changes_nothing():
    images, same = draw("none")
    assert same is images


@pytest.mark.parametrize("name", ["classic", "elsewhere"])
def test_every_image_is_changed_in_its_own_way_in_range_and_repeatably(name):
    images, changed = draw(name)
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 1
    assert torch.equal(changed, draw(name)[1]) and not torch.equal(changed, draw(name, seed=1)[1])
    one = torch.ones(8, 3, 16, 16) * torch.linspace(0, 1, 16)
    out = augment(one, name, torch.Generator().manual_seed(0))
    assert len({image.numpy().tobytes() for image in out}) == 8


def test_the_share_of_coarsened_images_is_as_asked_and_the_rest_untouched():
    images = torch.rand(600, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    coarse = coarsened(images, 0.45, torch.Generator().manual_seed(0))
    changed = (coarse != images).flatten(1).any(1)
    assert 0.4 < changed.float().mean() < 0.5
    detail = [part.diff(dim=-1).abs().mean() for part in (images[changed], coarse[changed])]
    assert detail[1] < detail[0] / 2  # of white noise
    assert (coarse.mean((1, 2, 3)) - images.mean((1, 2, 3))).abs().max() < 0.1


@pytest.mark.parametrize("recipe", [RECIPES["classic"], Recipe(stretch=0.2, shift=0.1)])
def test_affine_maps_stay_in_the_ranges_of_their_recipe(recipe):
    theta = affine(recipe, 2000, torch.Generator().manual_seed(0)).double().numpy()
    turn = np.linalg.inv(theta[:, :, :2])  # from input to output
    scale = np.sqrt(np.abs(np.linalg.det(turn)))
    assert recipe.zoom_out - 1e-5 <= scale.min() and scale.max() <= recipe.zoom_in + 1e-5
    middle = -turn @ theta[:, :, 2:]  # where the content's middle comes to lie
    assert 1.9 * recipe.shift < np.abs(middle).max() <= 2 * recipe.shift + 1e-6
    sides = np.linalg.norm(turn, axis=1)  # what a unit of width, of height becomes
    ratio = np.log(sides[:, 0] / sides[:, 1])
    assert np.abs(ratio).max() <= np.log(1 / (1 - recipe.stretch)) + 1e-5
    mirrored = np.linalg.det(turn) < 0
    assert (0.45 < mirrored.mean() < 0.55) == recipe.flip
    angle = np.degrees(np.arctan2(turn[:, 1, 1], turn[:, 0, 1])) - 90
    assert np.abs(angle).max() <= recipe.rotation + 1e-4


def test_far_pictures_are_small_and_wholly_inside_the_frame():
    recipe = Recipe(far=1.0, farthest=0.3)
    theta = affine(recipe, 2000, torch.Generator().manual_seed(0)).double().numpy()
    turn = np.linalg.inv(theta[:, :, :2])
    scale, middle = turn[:, 0, 0], (-turn @ theta[:, :, 2:])[:, :, 0]
    assert 0.3 <= scale.min() < 0.31 and 0.98 < scale.max() <= 1
    assert (np.abs(middle).max(1) + scale).max() <= 1 + 1e-6


def test_what_surrounds_a_far_picture_is_of_the_images_or_mirrored():
    recipe = Recipe(far=1.0, farthest=0.3)
    images = torch.full((300, 3, 16, 16), 0.5)
    images[::2] = 0.25
    moved = placed(images, recipe, torch.Generator().manual_seed(0))
    assert set(moved.double().mul(100).round().unique().tolist()) <= {25, 50}
    surrounded = ((moved - moved[:, :, 8:9, 8:9]).abs() > 0.01).flatten(1).any(1)
    assert 0.2 < surrounded.float().mean() < 0.6  # three kinds of four, from another image half of the time
    assert torch.equal(images[1::2], torch.full((150, 3, 16, 16), 0.5))


def test_tiles_are_pieces_of_one_image_each_moved_as_a_whole():
    side = 16
    place = torch.arange(side * side, dtype=torch.float32).view(1, side, side)
    images = torch.stack([place + 1000 * number for number in range(5)]).expand(-1, 3, -1, -1)
    found = _tiles(images, 40, torch.Generator().manual_seed(0))
    assert found.shape == (40, 3, side, side) and torch.equal(found[:, 0], found[:, 2])
    source, place = found[:, 0] // 1000, (found[:, 0] % 1000).long()
    assert (source == source[:, :1, :1]).all() and source.unique().tolist() == [0, 1, 2, 3, 4]
    # within a tile of four by four, neighbours stay neighbours; a picture goes on at its other edge
    line, column = place // side, place % side
    inside = torch.arange(side - 1) % 4 != 3
    assert (((line[:, 1:] - line[:, :-1]) % side)[:, inside] == 1).all()
    assert (((column[:, :, 1:] - column[:, :, :-1]) % side)[:, :, inside] == 1).all()
    moved = (line - torch.arange(side)[:, None]) % side
    assert len(moved[0, ::4, ::4].unique()) > 4  # and tiles have moves of their own


@pytest.mark.parametrize("colour", [0, 0.12])
def test_a_share_of_the_images_is_left_with_shades_of_one_colour(colour):
    images = torch.rand(400, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    recipe = Recipe(light=0.1, colour=colour, monochrome=0.25)
    found = lit(images, recipe, torch.Generator().manual_seed(0)).flatten(2).double()
    centred = found - found.mean(2, keepdim=True)
    # shades of one colour lie on a line: the second singular value of the pixels is nothing
    alike = torch.linalg.svdvals(centred)[:, 1] < 1e-5
    assert 0.18 < alike.float().mean() < 0.32
    assert ((found[alike][:, 0] - found[alike][:, 2]).abs().amax(1) > 1e-4).all() == (colour > 0)


def test_light_without_colour_keeps_grey_grey_and_colour_does_not():
    grey = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    plain = lit(grey, Recipe(light=0.3), torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain[:, 0], plain[:, 2])
    coloured = lit(grey, Recipe(light=0.3, colour=0.2), torch.Generator().manual_seed(0))
    assert (coloured[:, 0] - coloured[:, 2]).abs().amax((1, 2)).gt(1e-3).all()


def test_light_is_changed_as_the_steps_one_by_one_would():
    images = torch.rand(30, 3, 20, 28, generator=torch.Generator().manual_seed(1))
    recipe, generator = RECIPES["strong"], torch.Generator().manual_seed(2)
    found = lit(images, recipe, torch.Generator().manual_seed(2))
    light = (torch.rand(60, generator=generator) * 2 - 1) * recipe.light + 1
    contrast, brightness = light.view(2, 30, 1, 1, 1)
    gain = (torch.rand(90, generator=generator) * 2 - 1) * recipe.colour + 1
    saturation = (torch.rand(30, generator=generator) * 2).view(30, 1, 1, 1)
    grey = (images * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    coloured = (grey + saturation * (images - grey)) * gain.view(30, 3, 1, 1)
    mean = coloured.mean((1, 2, 3), keepdim=True)
    expected = ((coloured - mean) * contrast + mean * brightness).clamp(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_grain_is_gaussian_and_at_most_as_strong_as_asked():
    flat = torch.full((200, 3, 16, 16), 0.5)
    strength = grainy(flat, 0.05, torch.Generator().manual_seed(0)).flatten(1).std(1)
    assert strength.max() < 0.055 and strength.mean().item() == pytest.approx(0.025, abs=0.003)


def test_an_empty_recipe_is_the_identity_map():
    theta = affine(Recipe(), 3, torch.Generator())
    assert torch.equal(theta, torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(3, 2, 3))


def test_unknown_recipe_is_misuse():
    with pytest.raises(UsageError, match="classic"):
        draw("mixup")


def test_blended_labels_are_the_shares_of_the_blended_images():
    labels = torch.arange(400) % 2
    images = labels.float().view(-1, 1, 1, 1).expand(-1, 3, 4, 4)  # white with a mask, black without
    mixed, shares = blended(images, labels, "classic", np.random.default_rng(0))
    assert torch.allclose(mixed.mean((1, 2, 3)), shares)
    assert torch.equal(shares.round(), labels.float())  # each keeps the larger share of itself
    between = shares[(shares > 0.02) & (shares < 0.98)]
    assert 0.1 < len(between) / len(shares) < 0.4
    again = blended(images, labels, "classic", np.random.default_rng(0))[1]
    assert torch.equal(shares, again)


def test_a_recipe_that_blends_nothing_returns_what_it_was_given():
    images, labels = torch.rand(3, 3, 4, 4), torch.tensor([0, 1, 1])
    same, whole = blended(images, labels, "none", np.random.default_rng(0))
    assert same is images and whole is labels


def test_cut_labels_are_the_shares_of_the_area_and_all_images_lose_the_same_rectangle():
    rng, shares = np.random.default_rng(0), []
    for _ in range(300):
        labels = torch.from_numpy(rng.permutation(8) % 2)
        images = labels.float().view(-1, 1, 1, 1).expand(-1, 3, 20, 30)  # white with a mask, black without
        mixed, share = cut(images, labels, rng)
        torch.testing.assert_close(mixed.mean((1, 2, 3)), share)
        changed = (mixed != images).any(1).any(0)  # where any image got pixels of the other class
        rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
        if len(rows):
            assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        shares.append(changed.float().mean())
    assert max(shares) > 0.6 and 0.2 < np.mean(shares) < 0.4  # of a uniform share what lies inside the frame


def test_a_batch_is_either_cut_or_blended():
    labels = torch.arange(400) % 2
    images = labels.float().view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    grey = []
    for seed in range(40):
        mixed, shares = blended(images, labels, "strong", np.random.default_rng(seed))
        torch.testing.assert_close(mixed.mean((1, 2, 3)), shares)
        grey.append(bool(((mixed > 0) & (mixed < 1)).any()))  # what is cut stays black or white
    assert 10 < sum(grey) < 30


@pytest.mark.parametrize("name", RECIPES)
def test_torch_and_opencv_change_images_alike(name, monkeypatch):
    found = draw(name, count=20)[1]
    monkeypatch.setattr(pixels, "by_opencv", lambda images: False)
    torch.testing.assert_close(found, draw(name, count=20)[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", RECIPES)
def test_bytes_are_changed_as_floats_are_but_for_rounding(name):
    given = torch.randint(
        0, 256, (20, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    images = given.clone()
    found, expected = (
        as_float(augment(images, name, torch.Generator().manual_seed(2))) for images in (images, images / 255)
    )
    gap = (found - expected).abs() * 255
    assert gap.max() < 4 and gap.mean() < 0.75 and torch.equal(images, given)


@pytest.mark.parametrize("name", RECIPES)
def test_a_batch_is_augmented_on_the_device_that_it_is_on(name):
    """The device without data fails where a tensor of the CPU meets its own."""
    labels = torch.arange(8) % 2
    given = torch.rand(8, 3, 16, 16, device="meta")
    for seed, images in enumerate([given] * 5 + [given.byte()] * 5):
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        out, shares = blended(as_float(augment(images, name, generator)), labels, name, rng)
        assert out.device.type == "meta" and out.shape == images.shape and shares.device.type == "cpu"
