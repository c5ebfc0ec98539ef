"""Augmentation moves each image on its own, keeps its range, and is a function of its generator."""

import numpy as np
import pytest
import torch

from fmlib.augmentation import RECIPES, Recipe, affine, augment, coarsened
from fmlib.errors import UsageError


def draw(name, seed=0, count=6):
    images = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return images, augment(images, name, torch.Generator().manual_seed(seed))


def test_none_changes_nothing():
    images, same = draw("none")
    assert same is images


@pytest.mark.parametrize("name", ["classic", "strong"])
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


def test_affine_maps_stay_in_the_ranges_of_their_recipe():
    recipe = RECIPES["classic"]
    theta = affine(recipe, 2000, torch.Generator().manual_seed(0)).double().numpy()
    scale = 1 / np.sqrt(np.abs(np.linalg.det(theta[:, :, :2])))
    assert recipe.zoom_out - 1e-5 <= scale.min() and scale.max() <= recipe.zoom_in + 1e-5
    assert np.abs(theta[:, :, 2]).max() <= 2 * recipe.shift
    mirrored = np.linalg.det(theta[:, :, :2]) < 0
    assert 0.45 < mirrored.mean() < 0.55
    angle = np.degrees(np.arctan2(-theta[:, 0, 1], theta[:, 1, 1]))
    assert np.abs(angle).max() <= recipe.rotation + 1e-4


def test_an_empty_recipe_is_the_identity_map():
    theta = affine(Recipe(), 3, torch.Generator())
    assert torch.equal(theta, torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(3, 2, 3))


def test_unknown_recipe_is_misuse():
    with pytest.raises(UsageError, match="classic"):
        draw("mixup")
