"""OpenCV and torch change images alike."""

import pytest
import torch
from torch.nn import functional as F

from fmlib.augmentation import RECIPES, affine
from fmlib.pixels import resampled


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 33, 33), (3, 40, 96), (1, 20, 16)])
def test_images_are_resampled_as_by_torch(shape):
    generator = torch.Generator().manual_seed(0)
    images, theta = torch.rand(40, *shape, generator=generator), affine(RECIPES["elsewhere"], 40, generator)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    expected = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    given = images.clone()
    torch.testing.assert_close(resampled(images, theta), expected, atol=1e-4, rtol=0)
    assert torch.equal(given, images)
