"""Codes are drawn where the codes of a class lie."""

import numpy as np
import pytest
import torch

from fmlib import better_autoencoders, generation
from fmlib.errors import UsageError


def test_drawn_codes_have_the_mean_and_spread_of_their_sources():
    rng = np.random.default_rng(0)
    latents = rng.normal([3, -1, 0], [1, 2, 0.5], (4000, 3))
    drawn = generation.gaussian(latents, 20_000, rng)
    np.testing.assert_allclose(drawn.mean(0), [3, -1, 0], atol=0.15)
    np.testing.assert_allclose(drawn.std(0), [1, 2, 0.5], atol=0.15)


def test_the_prior_is_standard_normal_wherever_the_codes_lie():
    drawn = generation.prior(np.full((3, 2), 7.0), 20_000, np.random.default_rng(0))
    np.testing.assert_allclose([drawn.mean(0), drawn.std(0)], [[0, 0], [1, 1]], atol=0.05)


def test_fewer_images_than_dimensions_still_give_codes():
    drawn = generation.gaussian(np.random.default_rng(0).normal(size=(5, 32)), 10, np.random.default_rng(1))
    assert drawn.shape == (10, 32) and np.isfinite(drawn).all()


def test_generated_images_are_labelled_repeatable_and_leave_the_vae_in_eval_mode():
    torch.manual_seed(0)
    vae = better_autoencoders.build("vae", 32, 4).train()
    images = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(12) % 2
    made, of = generation.generate(vae, images, labels, "gaussian", 5, seed=1)
    assert made.shape == (6, 32, 32, 3) and made.dtype == np.uint8 and list(of) == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(made, generation.generate(vae, images, labels, "gaussian", 5, seed=1)[0])
    assert not vae.training
    with pytest.raises(UsageError, match="gaussian"):
        generation.generate(vae, images, labels, "dreamt", 5, seed=1)


def test_a_set_of_one_class_is_misuse():
    vae, images = better_autoencoders.build("cvae", 32, 16), np.zeros((4, 32, 32, 3), np.uint8)
    with pytest.raises(UsageError, match="both classes"):
        generation.generate(vae, images, np.ones(4, int), "perturb", 4, seed=0)


def test_a_mixture_has_no_more_clusters_than_images():
    latents = np.random.default_rng(0).normal(size=(generation.CLUSTERS - 1, 8))
    drawn = generation.mixture(latents, 10, np.random.default_rng(0))
    gaps = np.linalg.norm(drawn[:, None] - latents[None], axis=2).min(1)
    assert drawn.shape == (10, 8) and gaps.max() < 0.1  # each near an image's own code
    alone = generation.mixture(latents[:1], 3, np.random.default_rng(0))
    assert np.array_equal(alone, latents[[0, 0, 0]])


def test_a_mixture_of_gaussians_finds_separate_clusters():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(5)
    latents = np.repeat(centres, 40, 0) + rng.normal(0, 0.1, (200, 5))
    drawn = generation.mixture(latents, 500, rng)
    distance = np.linalg.norm(drawn[:, None] - centres, axis=2).min(1)
    assert drawn.shape == (500, 5) and distance.max() < 1


def test_perturbed_codes_lie_near_their_sources_and_interpolated_ones_between_them():
    rng = np.random.default_rng(0)
    latents = rng.normal(0, [1, 0.01, 5], (50, 3))
    moved = generation.perturb(latents, 4000, rng)
    spread = np.sqrt(1 + generation.SPREAD**2)
    np.testing.assert_allclose(moved.std(0), latents.std(0) * spread, rtol=0.1)
    line = np.array([[0.0, 0.0], [1.0, 1.0]])
    between = generation.interpolate(line, 100, rng)
    np.testing.assert_allclose(between[:, 0], between[:, 1])
    assert between.min() >= 0 and between.max() <= 1 and between.std() > 0.2
    np.testing.assert_array_equal(generation.interpolate(line[:1], 3, rng), np.zeros((3, 2)))


@pytest.mark.parametrize("way", generation.WAYS)
def test_a_conditional_vae_makes_both_classes_in_every_way(way):
    vae = better_autoencoders.build("cvae", 32, 16)
    images = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    made, labels = generation.generate(vae, images, np.arange(12) % 2, way, 6, seed=0)
    assert made.shape == (6, 32, 32, 3) and labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert generation.reconstructed(vae, images, np.arange(12) % 2).shape == images.shape
