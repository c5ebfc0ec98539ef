"""Codes are drawn where the codes of a class lie."""

import numpy as np
import pytest
import torch

from fmlib import autoencoders, generation
from fmlib.errors import UsageError


def test_drawn_codes_have_the_mean_and_spread_of_their_sources():
    rng = np.random.default_rng(0)
    latents = rng.normal([3, -1, 0], [1, 2, 0.5], (4000, 3))
    drawn = generation.sample_codes(latents, 20_000, rng)
    np.testing.assert_allclose(drawn.mean(0), [3, -1, 0], atol=0.15)
    np.testing.assert_allclose(drawn.std(0), [1, 2, 0.5], atol=0.15)


def test_fewer_images_than_dimensions_still_give_codes():
    drawn = generation.sample_codes(
        np.random.default_rng(0).normal(size=(5, 32)), 10, np.random.default_rng(1)
    )
    assert drawn.shape == (10, 32) and np.isfinite(drawn).all()


def test_generated_images_are_labelled_repeatable_and_leave_the_vae_in_eval_mode():
    torch.manual_seed(0)
    vae = autoencoders.build("vae", 32, 4).train()
    images = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(12) % 2
    made, of = generation.generate(vae, images, labels, "gaussian", 5, seed=1)
    assert made.shape == (6, 32, 32, 3) and made.dtype == np.uint8 and list(of) == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(made, generation.generate(vae, images, labels, "gaussian", 5, seed=1)[0])
    assert not vae.training
    with pytest.raises(UsageError, match="gaussian"):
        generation.generate(vae, images, labels, "dreamt", 5, seed=1)
